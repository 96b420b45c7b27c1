"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 25;
  const SVG = "http://www.w3.org/2000/svg";
  const $ = id => document.getElementById(id);

  // What strangers named is only ever set as text.
  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  const person = photo => data.people[data.shows[photo]];
  const plain = text => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = photo => plain(data.names[photo] + " " + person(photo));

  function picture(photo) {
    const bytes = data.thumbnails[photo];
    if (!bytes) return make("div", "photo", "no thumbnail");
    const image = make("img", "photo");
    image.src = "data:image/jpeg;base64," + bytes;
    image.alt = "";
    image.title = data.names[photo];
    return image;
  }

  for (const place of document.querySelectorAll("[data-photo]")) place.replaceWith(picture(Number(place.dataset.photo)));

  // --- the browser of queries

  const queryOf = new Map(data.queries.map(query => [query[0], query]));
  const wordsOf = data.queries.map(query => words(query[0]));
  const filters = {
    all: query => query[1] > 0,
    unknown: query => query[1] === 0,
  };
  let chosen = [];
  let page = 0;

  function missedAt(k) {
    return query => query[1] > 0 && (query[4] === null || query[4][1] > k);
  }

  function answer([photo, place, distance, right], far) {
    const refused = data.threshold !== null && distance > data.threshold;
    const item = make("li", [right ? "right" : "", refused ? "refused" : "", far ? "far" : ""].join(" ").trim());
    item.append(picture(photo));
    item.append(make("p", "verdict", (right ? "✓ right" : "wrong") + (refused ? ", not accepted" : "")));
    item.append(make("p", "", (far ? "at place " : "") + place + ": " + distance.toPrecision(4)));
    const who = make("p", "who name", person(photo) || data.names[photo]);
    who.title = data.names[photo];
    item.append(who, make("p", "file name", data.names[photo]));
    return item;
  }

  function queryItem([photo, relevant, precision, answers, first], number) {
    const item = make("li", "query");
    const what = make("div", "what");
    what.append(make("h3", "name", number + ". " + (person(photo) || data.names[photo])), picture(photo));
    what.append(make("p", "name", data.names[photo]));
    if (relevant === 0) what.append(make("p", "", "Nobody in the gallery shows this person."));
    else {
      const where = first === null ? "No right photo is in the ranking" : "First right photo at place " + first[1];
      const photos = relevant === 1 ? "1 right photo" : relevant + " right photos";
      what.append(make("p", "", where + "; " + photos + " in the gallery; average precision " + precision.toFixed(3) + "."));
    }
    const list = make("ol", "answers");
    list.append(...answers.map(each => answer(each, false)));
    if (first !== null && first[1] > answers.length) list.append(answer(first, true));
    item.append(what, list);
    return item;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
    page = Math.min(Math.max(0, page), pages - 1);
    const from = page * PAGE;
    const rows = chosen.slice(from, from + PAGE);
    $("list").replaceChildren(...rows.map((row, at) => queryItem(data.queries[row], from + at + 1)));
    const text = chosen.length ? from + 1 + "–" + (from + rows.length) + " of " + chosen.length + " queries" : "No query";
    for (const end of ["", "-too"]) {
      $("count" + end).textContent = text;
      $("before" + end).disabled = page === 0;
      $("after" + end).disabled = page === pages - 1;
    }
  }

  function choose() {
    const filter = filters[$("which").value] || missedAt(Number($("which").value));
    const parts = plain($("search").value).split(/\s+/);
    chosen = [];
    data.queries.forEach((query, row) => {
      if (filter(query) && parts.every(part => wordsOf[row].includes(part))) chosen.push(row);
    });
    page = 0;
    show();
  }

  function turn(by, button) {
    page += by;
    show();
    if (button.id.endsWith("-too")) $("queries").scrollIntoView();
    if (button.disabled) $("search").focus({preventScroll: true});  // a disabled button loses the focus
  }

  $("browser").hidden = false;
  $("which").addEventListener("change", choose);
  $("search").addEventListener("input", choose);
  $("names").addEventListener("change", () => $("list").classList.toggle("files", $("names").checked));
  for (const end of ["", "-too"]) {
    $("before" + end).addEventListener("click", event => turn(-1, event.currentTarget));
    $("after" + end).addEventListener("click", event => turn(1, event.currentTarget));
  }
  choose();

  // --- the map

  if (!data.map) return;
  const plane = $("plane"), hover = $("hover");
  const points = data.map
    .map(([photo, x, y]) => ({photo, x, y, who: data.shows[photo], words: words(photo)}))
    .sort((a, b) => (person(a.photo) < person(b.photo) ? -1 : person(a.photo) > person(b.photo) ? 1 : a.photo - b.photo));
  let at = -1;

  function draw(tag, attributes, className) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.setAttribute("class", className);
    return element;
  }

  function mark(point) {
    const query = queryOf.get(point.photo), {x, y} = point;
    if (!query || query[1] === 0) return draw("rect", {x: x - 5, y: y - 5, width: 10, height: 10}, "point");
    if (query[4] && query[4][1] === 1) return draw("circle", {cx: x, cy: y, r: 6}, "point found");
    return draw("path", {d: `M${x - 7} ${y - 7}l14 14M${x - 7} ${y + 7}l14-14`}, "point lost");
  }

  const lines = draw("path", {}, "mates"), ring = draw("circle", {r: 14, cx: -99, cy: -99}, "ring");
  for (const point of points) plane.append((point.mark = mark(point)));
  plane.append(lines, ring);

  function state(point) {
    const query = queryOf.get(point.photo);
    if (!query) return "gallery only";
    if (query[1] === 0) return "query; nobody in the gallery shows this person";
    return query[4] ? "query; first right photo at place " + query[4][1] : "query; no right photo in the ranking";
  }

  function select(next) {
    if (next === at) return;
    at = next;
    hover.hidden = at < 0;
    const point = points[at];
    ring.setAttribute("cx", point ? point.x : -99);
    ring.setAttribute("cy", point ? point.y : -99);
    const mates = point && person(point.photo) ? points.filter(each => each.who === point.who) : [];
    lines.setAttribute("d", mates.map(each => `M${point.x} ${point.y}L${each.x} ${each.y}`).join(""));
    if (!point) return;
    hover.replaceChildren(
      picture(point.photo),
      make("p", "name", person(point.photo) || "nobody knows who this is"),
      make("p", "name", data.names[point.photo]),
      make("p", "", state(point)),
    );
    const left = (point.x + 30) / 1060, top = (point.y + 30) / 1060;  // the larger side has room for it
    hover.style.left = left < 0.5 ? `calc(${left * 100}% + 16px)` : "auto";
    hover.style.right = left < 0.5 ? "auto" : `calc(${(1 - left) * 100}% + 16px)`;
    hover.style.top = top < 0.5 ? `calc(${top * 100}% + 16px)` : "auto";
    hover.style.bottom = top < 0.5 ? "auto" : `calc(${(1 - top) * 100}% + 16px)`;
  }

  function nearest(event) {
    const box = plane.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 1060 - 30, y = ((event.clientY - box.top) / box.height) * 1060 - 30;
    let best = -1, least = 40 ** 2;
    points.forEach((point, number) => {
      const far = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (far < least && !(plane.classList.contains("filtered") && !point.match)) [best, least] = [number, far];
    });
    return best;
  }

  function step(by, people) {
    const there = points.map((_, number) => number).filter(n => !plane.classList.contains("filtered") || points[n].match);
    if (!there.length) return;
    let place = there.indexOf(at);
    if (place < 0) return select(there[by > 0 ? 0 : there.length - 1]);
    const who = points[at].who;
    do place = (place + by + there.length) % there.length;
    while (people && points[there[place]].who === who && there[place] !== at);
    select(there[place]);
  }

  plane.addEventListener("pointermove", event => select(nearest(event)));
  plane.addEventListener("pointerdown", event => select(nearest(event)));
  plane.addEventListener("pointerleave", event => event.pointerType === "mouse" && select(-1));
  plane.addEventListener("blur", () => select(-1));
  plane.addEventListener("keydown", event => {
    const keys = {ArrowRight: [1, false], ArrowLeft: [-1, false], ArrowDown: [1, true], ArrowUp: [-1, true]};
    if (event.key === "Escape") select(-1);
    else if (keys[event.key]) step(...keys[event.key]);
    else return;
    event.preventDefault();
  });
  $("highlight").addEventListener("input", () => {
    const parts = plain($("highlight").value).split(/\s+/).filter(Boolean);
    plane.classList.toggle("filtered", parts.length > 0);
    let count = 0;
    for (const point of points) {
      point.match = parts.length > 0 && parts.every(part => point.words.includes(part));
      point.mark.classList.toggle("match", point.match);
      count += point.match;
    }
    $("highlighted").textContent = parts.length ? count + " photos" : "";
    select(-1);
  });
  $("atlas").hidden = false;
})();
