// Looks every two seconds whether there is something new, unless somebody is about to write or to click.
"use strict";

async function renew() {
  const main = document.querySelector("main");
  const busy = main.contains(document.activeElement) ||
    [...main.querySelectorAll("input[type=text]")].some((field) => field.value !== "");
  if (busy || document.hidden) {
    return;
  }
  const answer = await fetch(location.href);
  if (answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.replaceWith(page.querySelector("main"));
  }
}

setInterval(() => renew().catch(() => {}), 2000);
