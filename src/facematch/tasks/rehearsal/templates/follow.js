"use strict";
let away = false;
async function text(address) {
  const answer = await fetch(address, {cache: "no-store"});
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}
async function follow() {
  try {
    const main = document.getElementById("main");
    const now = await text("/version");
    if (now !== main.dataset.version) {
      const page = new DOMParser().parseFromString(await text(location.href), "text/html");
      const focus = document.activeElement && document.activeElement.id;
      const left = [...document.querySelectorAll(".scroll")].map(each => [each.id, each.scrollLeft]);
      main.innerHTML = page.getElementById("main").innerHTML;
      main.dataset.version = page.getElementById("main").dataset.version;
      for (const [id, pixels] of left) if (document.getElementById(id)) document.getElementById(id).scrollLeft = pixels;
      if (focus && document.getElementById(focus)) document.getElementById(focus).focus({preventScroll: true});
      document.getElementById("news").textContent = "Updated at " + new Date().toLocaleTimeString();
    } else if (away) document.getElementById("news").textContent = "The server answers again.";
    away = false;
  } catch (error) {
    away = true;
    document.getElementById("news").textContent = "The server does not answer; trying again.";
  }
  setTimeout(follow, 1500);
}
setTimeout(follow, 1500);
