"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const root = document.documentElement;
  const takes = [];

  const setLanguage = (language) => {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-Hans" : "en";
    for (const button of document.querySelectorAll(".languages button")) {
      button.setAttribute("aria-pressed", String(button.value === language));
    }
    for (const element of document.querySelectorAll("[data-label-en]")) {
      element.setAttribute("aria-label", language === "zh" ? element.dataset.labelZh : element.dataset.labelEn);
    }
  };
  for (const button of document.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => setLanguage(button.value));
  }
  setLanguage(root.dataset.language);

  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds || 0));
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  };

  // Timeline: [second, second, tick, tick] for every stretch of even time, in the order in which it sounds.
  const tickAt = (timeline, seconds) => {
    let low = 0, high = timeline.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (timeline[middle][0] <= seconds) low = middle; else high = middle - 1;
    }
    const [from, to, first, last] = timeline[low];
    const part = to > from ? Math.min(1, Math.max(0, (seconds - from) / (to - from))) : 0;
    return first + part * (last - first);
  };
  const secondsAt = (timeline, tick) => {
    const found = timeline.find(([, , first, last]) => tick >= first && tick < last) || timeline[timeline.length - 1];
    const [from, to, first, last] = found;
    return from + Math.min(1, Math.max(0, (tick - first) / Math.max(1, last - first))) * (to - from);
  };

  const readSystems = (roll) => [...roll.querySelectorAll("g.system")].map((group) => {
    const value = (name) => Number(group.getAttribute("data-" + name));
    const system = {
      group, onset: value("onset"), end: value("end"), width: value("width"), height: value("height"), y: value("y"), x: value("x"),
    };
    const scale = (system.end - system.onset) / system.width;
    system.notes = [...group.querySelectorAll("rect.note")].map((element) => {
      const x = Number(element.getAttribute("x"));
      return { element, on: false, onset: system.onset + x * scale, end: system.onset + (x + Number(element.getAttribute("width")) + 0.8) * scale };
    });
    return system;
  });

  const readMeasures = (sheet, count) => {
    const found = [...sheet.querySelectorAll("g.measure")];
    return found.length === count ? found : [];
  };

  const boxOf = (measure) => {
    const lines = [...measure.querySelectorAll("g.staff > path")].map((path) => path.getBBox());
    if (!lines.length) return measure.getBBox();
    const x = Math.min(...lines.map((b) => b.x)), y = Math.min(...lines.map((b) => b.y));
    const right = Math.max(...lines.map((b) => b.x + b.width)), bottom = Math.max(...lines.map((b) => b.y + b.height));
    return { x, y: y - 240, width: right - x, height: bottom - y + 480 };
  };

  const start = (article) => {
    const data = JSON.parse(article.querySelector("script.data").textContent);
    const audio = article.querySelector("audio");
    const player = article.querySelector(".player");
    const seek = article.querySelector(".seek");
    const time = article.querySelector(".clock");
    const button = article.querySelector(".play");
    const roll = article.querySelector(".roll > svg");
    const systems = roll ? readSystems(roll) : [];
    const sheet = article.querySelector(".sheet");
    const measures = sheet ? readMeasures(sheet, data.bars.length) : [];
    const length = () => (Number.isFinite(audio.duration) ? audio.duration : data.seconds);
    const head = document.createElementNS(SVG, "line");
    head.setAttribute("class", "playhead");
    const now = document.createElementNS(SVG, "rect");
    now.setAttribute("class", "now");
    let current = null, bar = -1;

    const light = (system, tick) => {
      for (const note of system ? system.notes : []) {
        const on = tick >= note.onset && tick < note.end;
        if (on !== note.on) note.element.classList.toggle("on", (note.on = on));
      }
    };
    const showBar = (tick) => {
      let found = data.bars.findIndex((onset) => onset > tick) - 1;
      if (found < -1) found = data.bars.length - 1;
      if (found === bar || !measures[found]) return;
      bar = found;
      const box = boxOf(measures[bar]);
      for (const name of ["x", "y", "width", "height"]) now.setAttribute(name, box[name]);
      measures[bar].prepend(now);
    };
    const follow = (x) => {  // on narrow screens the roll scrolls along
      const frame = roll.parentElement, room = frame.scrollWidth - frame.clientWidth;
      if (room < 8 || audio.paused) return;
      frame.scrollLeft = (x / roll.viewBox.baseVal.width) * frame.scrollWidth - frame.clientWidth / 2;
    };
    const show = () => {
      const tick = tickAt(data.timeline, audio.currentTime);
      const system = systems.find((s) => tick >= s.onset && tick < s.end) || systems[systems.length - 1];
      if (system !== current) { light(current, -1); current = system; if (system) system.group.append(head); }
      if (system) {
        const x = Math.min(system.width, ((tick - system.onset) / (system.end - system.onset)) * system.width);
        head.setAttribute("x1", x); head.setAttribute("x2", x);
        head.setAttribute("y1", -3); head.setAttribute("y2", system.height + 3);
        follow(system.x + x);
        light(system, audio.currentTime > 0 || !audio.paused ? tick : -1);
      }
      if (audio.currentTime > 0 || !audio.paused) showBar(tick);
      if (!seek.matches(":active")) seek.value = String(audio.currentTime);
      time.textContent = `${clock(audio.currentTime)} / ${clock(length())}`;
    };
    const loop = () => { show(); if (!audio.paused) requestAnimationFrame(loop); };
    const goTo = (seconds) => { audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, length() - 0.05)); show(); };
    const toggle = () => { if (audio.paused) audio.play(); else audio.pause(); };

    audio.removeAttribute("controls");
    player.classList.add("ready");
    const measured = () => { seek.max = String(length()); show(); };
    audio.addEventListener("loadedmetadata", measured);
    audio.addEventListener("durationchange", measured);
    audio.addEventListener("play", () => {
      for (const other of takes) if (other.audio !== audio) other.audio.pause();
      article.classList.add("playing");
      loop();
    });
    audio.addEventListener("pause", () => { article.classList.remove("playing"); show(); });
    audio.addEventListener("seeked", show);
    button.addEventListener("click", toggle);
    seek.addEventListener("input", () => goTo(Number(seek.value)));
    if (roll) roll.addEventListener("click", (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(roll.getScreenCTM().inverse());
      const system = systems.find((s) => point.y >= s.y - 20 && point.y <= s.y + s.height + 8);
      if (system) goTo(secondsAt(data.timeline, system.onset + (Math.max(0, point.x - system.x) / system.width) * (system.end - system.onset)));
    });
    if (measures.length) sheet.addEventListener("click", (event) => {
      const index = measures.findIndex((measure) => {
        const box = boxOf(measure);
        const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(measure.getScreenCTM().inverse());
        return point.x >= box.x && point.x <= box.x + box.width && point.y >= box.y && point.y <= box.y + box.height;
      });
      if (index >= 0) goTo(secondsAt(data.timeline, data.bars[index]));
    });
    const sound = article.querySelector("a.sound");
    if (sound) sound.href = audio.src;
    takes.push({ audio, toggle });
    measured();
  };
  for (const article of document.querySelectorAll("article.take")) start(article);

  document.addEventListener("keydown", (event) => {
    if (event.code !== "Space" || event.target.closest("button, a, input, summary, audio")) return;
    const take = takes.find((t) => !t.audio.paused) || takes[0];
    if (take) { event.preventDefault(); take.toggle(); }
  });
})();
