"""A web page about runs: what came out, beside the truth, in pictures and numbers.

The page is one HTML file with its style and script inside and pictures beside it; it loads nothing
from elsewhere and can be moved, sent or published together with the folders it links to.
"""

from sparse3d.view.report.detection import DetectionPart
from sparse3d.view.report.objects import ShownFrame
from sparse3d.view.report.page import Cover, Part, Story, write_page
from sparse3d.view.report.splat import SplatPart, write_report

__all__ = [
    "Cover",
    "DetectionPart",
    "Part",
    "ShownFrame",
    "SplatPart",
    "Story",
    "write_page",
    "write_report",
]
