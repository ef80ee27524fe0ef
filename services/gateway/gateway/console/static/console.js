"use strict";
// A page that is read from the log comes without it: its content follows with a second request.
(async () => {
  const later = document.getElementById("later");
  if (!later || !later.dataset.address) return;
  try {
    const answer = await fetch(later.dataset.address, { headers: { Accept: "text/html" } });
    if (answer.redirected) return location.reload(); // the session has ended: the sign-in leads back here
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.getElementById("later");
    const [place, fresh] = part ? [later, part] : [document.getElementById("main"), page.getElementById("main")];
    place.replaceChildren(...fresh.childNodes);
    document.title = page.title;
  } catch {
    later.textContent = later.dataset.failed;
  }
  later.removeAttribute("aria-busy");
})();
// Live pages. The tabs of a browser share one stream: the tab that holds a lock reads it and says to the others what
// changed. A page then reads itself again and replaces its parts that are marked with data-live.
(() => {
  const button = document.getElementById("live");
  if (!button || !navigator.locks || !window.BroadcastChannel || !window.EventSource) return;
  const EVERY = 2000;
  const LATER = 30000;
  const only = button.dataset.only;
  const hovers = matchMedia("(hover: hover)");
  const channel = new BroadcastChannel("schoolconnect-live");
  let state = "waiting";
  let paused = false;
  let waiting = false;
  let reading = false;
  let last = 0;
  let timer = 0;

  const show = () => {
    const shown = paused ? "paused" : state;
    button.dataset.state = shown;
    button.textContent = button.dataset[shown];
  };

  // A row that is hovered, focused or checked stays where it is: only the cells of rows change meanwhile.
  const held = () =>
    [...document.querySelectorAll("[data-live] [data-row]")].some(
      (row) => (hovers.matches && row.matches(":hover")) || row.contains(document.activeElement) || row.querySelector(":checked"),
    );

  const cells = (row, fresh) => {
    [...row.children].forEach((cell, place) => {
      const next = fresh.children[place];
      if (next && !cell.isEqualNode(next) && !cell.contains(document.activeElement)) cell.replaceChildren(...next.childNodes);
    });
  };

  const update = (part, fresh) => {
    const busy = held() || part.contains(document.activeElement);
    for (const row of part.querySelectorAll("[data-row]")) {
      const next = fresh.querySelector(`[data-row="${CSS.escape(row.dataset.row)}"]`);
      if (next) cells(row, next.cloneNode(true));
    }
    if (busy) return part.isEqualNode(fresh);
    if (!part.isEqualNode(fresh)) part.replaceChildren(...fresh.childNodes);
    return true;
  };

  const read = async () => {
    reading = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected) return ended();
      if (!answer.ok || paused) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      let done = true;
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
        if (fresh) done = update(part, fresh) && done;
      }
      waiting = waiting || !done;
    } catch {
      waiting = true; // the gateway is away: the stream says when it is back
    } finally {
      reading = false;
      button.toggleAttribute("data-behind", waiting);
    }
  };

  const look = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      if (!waiting || paused || document.hidden) return;
      if (reading) return look();
      waiting = false;
      await read();
      if (waiting && !held()) look();
    }, Math.max(0, last + EVERY - Date.now()));
  };

  const changed = (task) => {
    if (only && task && task !== only) return;
    waiting = true;
    look();
  };

  const heard = (message) => {
    if (message.state && message.state !== state) {
      state = message.state;
      show();
    }
    if ("task" in message) changed(message.task);
    if (message.asks && leads) say({ state });
  };

  let leads = false;
  const say = (message) => {
    channel.postMessage(message);
    heard(message);
  };
  const ended = () => heard({ state: "ended" });

  const lead = () =>
    new Promise((over) => {
      leads = true;
      const stream = new EventSource("/console/live");
      stream.onopen = () => say({ state: "on", task: null });
      stream.addEventListener("task", (event) => say({ task: JSON.parse(event.data).id }));
      stream.addEventListener("reset", () => say({ task: null }));
      stream.onerror = () => {
        say({ state: stream.readyState === EventSource.CLOSED ? "ended" : "waiting" });
        if (stream.readyState !== EventSource.CLOSED) return;
        leads = false;
        over();
        setTimeout(follow, LATER);
      };
    });
  const follow = () => navigator.locks.request("schoolconnect-live", lead);

  channel.onmessage = (event) => heard(event.data);
  button.onclick = () => {
    if (state === "ended") return location.reload();
    paused = !paused;
    show();
    changed(null);
  };
  for (const name of ["pointerout", "focusout", "change"]) document.addEventListener(name, () => waiting && look());
  document.addEventListener("visibilitychange", () => !document.hidden && look());
  button.hidden = false;
  show();
  channel.postMessage({ asks: true });
  follow();
})();
