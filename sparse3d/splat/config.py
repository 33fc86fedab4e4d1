"""Configuration of the sparse-splat method; torch-free, so that help texts come quickly."""

from dataclasses import dataclass, field, fields
from typing import Literal

from sparse3d.nn.config import require_within

__all__ = [
    "DensifyConfig",
    "InitConfig",
    "McmcConfig",
    "OptimConfig",
    "Protocol",
    "RateConfig",
    "SplatConfig",
]

Protocol = Literal["auto", "llff", "dtu", "blender", "mipnerf360", "even"]


@dataclass(frozen=True)
class InitConfig:
    """First Gaussians: points triangulated from SIFT matches, random ones where these are few."""

    max_features: int = 4096
    """SIFT features an image at most."""
    neighbours: int = 8
    """Each view is matched with this many nearest views (all pairs, if there are fewer)."""
    max_reprojection_error: float = 2.0
    """Triangulated points with a larger mean error are dropped, pixels."""
    min_angle: float = 0.5
    """Triangulated points seen under a smaller angle are dropped, degrees."""
    min_points: int = 1000
    """Below this number, random points in the common view volume make up the rest."""
    opacity: float = 0.1
    """Opacity of the first Gaussians."""


@dataclass(frozen=True)
class RateConfig:
    """Learning rates of Adam; those of the means are in units of the scene's extent."""

    means: float = 1.6e-4
    """Centres, at the first step."""
    means_final: float = 1.6e-6
    """Centres, at the last step; exponential in between."""
    sh_constant: float = 2.5e-3
    """Constant colour coefficient."""
    sh_rest: float = 1.25e-4
    """Higher colour coefficients."""
    opacities: float = 0.05
    """Opacity logits."""
    log_scales: float = 5e-3
    """Logarithms of the standard deviations."""
    quaternions: float = 1e-3
    """Rotations."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer, Adam for all parameters."""

    visible_only: bool = False
    """Each step updates only Gaussians drawn in its photo; the others keep values and moments,
    where Adam would let them drift on."""


@dataclass(frozen=True)
class McmcConfig:
    """Growth by relocation and noise (Kheradmand et al. 2024); used by that strategy only."""

    growth: float = 0.05
    """Each densification adds this share of Gaussians, up to densify.max_gaussians."""
    noise: float = 5e5
    """Noise on the centres of faint Gaussians, in units of the learning rate of the means; all
    lengths in units of the scene's extent."""
    opacity_penalty: float = 0.01
    """Weight of the mean opacity in the loss."""
    scale_penalty: float = 0.01
    """Weight of the mean standard deviation in the loss, in units of the scene's extent."""


@dataclass(frozen=True)
class DensifyConfig:
    """When and where Gaussians are added and removed (Kerbl et al. 2023, section 5)."""

    strategy: Literal["gradient", "mcmc"] = "gradient"
    """gradient: clone and split where the gradient of the centre is large, remove what is of no
    use. mcmc: move what is of no use onto opaque Gaussians, and let the centres wander."""
    start: int = 300
    """First step with densification."""
    every: int = 100
    """Steps between densifications."""
    stop_fraction: float = 1.0
    """No densification after this share of the training."""
    gradient: float = 5e-4
    """Mean gradient of the projected centre above which a Gaussian is multiplied, in units of half
    the image size."""
    clone_below: float = 0.01
    """Gaussians with a largest standard deviation below this share of the extent are cloned,
    larger ones are split in two."""
    prune_opacity: float = 0.005
    """Gaussians below this opacity are removed."""
    prune_scale: float = 0.0
    """Gaussians with a largest standard deviation beyond this share of the extent are removed;
    0: none for this reason."""
    prune_radius: float = 0.0
    """Gaussians drawn with a mean radius beyond this share of the image's longer side are removed;
    0: none for this reason."""
    prune_unseen: bool = False
    """Gaussians that show in no training photo are removed; costs a picture of each whenever there
    is a densification."""
    max_gaussians: int = 300_000
    """No densification beyond this number (with mcmc, no more than this number)."""
    mcmc: McmcConfig = field(default_factory=McmcConfig)
    """Of the strategy mcmc."""


@dataclass(frozen=True)
class SplatConfig:
    """Few-view Gaussian splatting."""

    protocol: Protocol = "auto"
    """How training and test views are chosen; auto guesses from the scene."""
    views: tuple[int, ...] = (0,)
    """One number: how many training views the protocol shall choose (0: all it allows; -1: every
    view, no test views). Several: the training views themselves, counted from 0 by name."""
    downscale_to: str | None = None
    """WIDTHxHEIGHT of training and test images; the images as they are where not given."""
    iterations: int = 3000
    """Training steps, one view each."""
    sh_degree: int = 1
    """Degree of the colour's spherical harmonics, 0 to 3."""
    sh_every: int = 500
    """One more degree is switched on after so many steps."""
    ssim_weight: float = 0.2
    """Weight of 1 - SSIM against L1."""
    opacity_decay: float = 0.998
    """Every step after densification starts multiplies opacities by this (Han et al. 2024)."""
    background: Literal["auto", "black", "white"] = "auto"
    """Behind the Gaussians and behind transparent images; auto: the protocol's."""
    init: InitConfig = field(default_factory=InitConfig)
    """First Gaussians."""
    rates: RateConfig = field(default_factory=RateConfig)
    """Learning rates."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    """Optimizer."""
    densify: DensifyConfig = field(default_factory=DensifyConfig)
    """Adding and removing Gaussians."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        require_within(self, "iterations densify.start densify.max_gaussians", 0)
        require_within(self, "init.max_reprojection_error densify.gradient densify.clone_below", 0)
        require_within(self, " ".join(f"rates.{each.name}" for each in fields(self.rates)), 0)
        require_within(self, "densify.prune_scale densify.prune_radius", 0)
        require_within(
            self, " ".join(f"densify.mcmc.{each.name}" for each in fields(McmcConfig)), 0
        )
        require_within(self, "sh_every init.max_features init.neighbours init.min_points", 1)
        require_within(self, "densify.every", 1)
        require_within(self, "sh_degree", 0, 3)
        require_within(self, "init.min_angle", 0, 180)
        require_within(self, "ssim_weight densify.stop_fraction densify.prune_opacity", 0, 1)
        require_within(self, "opacity_decay", 0.001, 1)
        require_within(self, "init.opacity", 0.001, 0.999)
