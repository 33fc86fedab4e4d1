// Lays each photo over its render and lets a slider move the seam; without this script the two
// stand side by side.
document.documentElement.classList.add("js");
for (const pair of document.querySelectorAll(".compare")) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = "100";
  slider.step = "0.1";
  slider.value = "50";
  slider.setAttribute("aria-label", pair.dataset.label);
  const move = () => pair.style.setProperty("--seam", slider.value + "%");
  slider.addEventListener("input", move);
  pair.append(slider);
  pair.classList.add("live");
  move();
}
