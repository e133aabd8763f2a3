"use strict";
// One trial at a time; the answers leave the page as a file and by no other way.
(() => {
  const test = JSON.parse(document.getElementById("test").textContent);
  const at = (id) => document.getElementById(id);
  const random = (n) => crypto.getRandomValues(new Uint32Array(1))[0] % n;
  const order = test.trials.slice();
  for (let i = order.length - 1; i > 0; i--) { const j = random(i + 1); [order[i], order[j]] = [order[j], order[i]]; }
  const listener = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
  const begun = new Date().toISOString();
  const answers = [];
  let now = 0, sides = [], heard = [false, false], since = 0;

  function show() {
    const trial = order[now];
    sides = random(2) ? trial.clips.slice() : trial.clips.slice().reverse();
    heard = [false, false]; since = Date.now();
    at("count").textContent = `${now + 1} / ${order.length}`;
    sides.forEach((clip, i) => { const audio = at(`audio${i}`); audio.src = test.sounds[clip]; audio.load(); });
    document.querySelectorAll("#trial input").forEach((input) => { input.checked = false; });
    ready();
  }
  function chosen(question) {
    const input = document.querySelector(`input[name="${question}"]:checked`);
    return input === null ? null : sides[Number(input.value)];
  }
  function ready() { at("next").disabled = !(heard[0] && heard[1] && chosen("prefer") && chosen("person")); }
  [0, 1].forEach((i) => {
    const audio = at(`audio${i}`);
    audio.addEventListener("play", () => at(`audio${1 - i}`).pause());
    audio.addEventListener("timeupdate", () => {
      if (audio.currentTime > Math.min(test.least, 0.9 * audio.duration)) { heard[i] = true; ready(); }
    });
  });
  at("trial").addEventListener("change", ready);
  at("begin").addEventListener("click", () => { at("hello").hidden = true; at("trial").hidden = false; show(); });
  at("next").addEventListener("click", () => {
    const seconds = Math.round((Date.now() - since) / 1000);
    answers.push({ trial: order[now].trial, prefer: chosen("prefer"), person: chosen("person"), known: at("known").checked, left: sides[0], seconds });
    now += 1;
    if (now < order.length) { show(); return; }
    at("trial").hidden = true; at("end").hidden = false;
    const file = { format: test.answers, design: test.design, listener, begun, ended: new Date().toISOString(), answers };
    const link = at("save");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
    link.download = `answers-${listener}.json`;
  });
})();
