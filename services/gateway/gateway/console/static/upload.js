"use strict";
// Shows how much of a form's file has been sent. Without it the browser sends the form by itself.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const shown = form.querySelector("[data-upload]");
  if (!shown) return;
  event.preventDefault();
  const bar = shown.querySelector("progress");
  const share = shown.querySelector("[data-share]");
  const alarm = shown.querySelector("[role=alert]");
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const request = new XMLHttpRequest();

  const busy = (sending) => {
    form.querySelectorAll("button").forEach((button) => (button.disabled = sending));
    bar.hidden = share.hidden = !sending;
  };
  const broken = () => {
    busy(false);
    alarm.hidden = false;
    alarm.textContent = shown.dataset.broken;
  };

  request.open("POST", form.action);
  request.upload.onprogress = ({ loaded, total }) => {
    if (!total) return;
    bar.value = loaded / total;
    share.textContent = percent.format(loaded / total);
  };
  request.upload.onload = () => {
    bar.removeAttribute("value");
    share.textContent = shown.dataset.sent;
  };
  request.onload = () => {
    busy(false);
    if (request.responseURL !== form.action) return location.assign(request.responseURL);
    const main = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("main");
    if (!main) return broken();
    document.querySelector("main").replaceWith(main);
    main.focus();
  };
  request.onerror = broken;
  alarm.hidden = true;
  bar.value = 0;
  request.send(new FormData(form));
  busy(true);
});
