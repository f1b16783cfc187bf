// SPDX-License-Identifier: MIT
//
// Runs the page's other scripts, which stand in it as text, when the browser has painted it:
// the ledger is on the screen before half a megabyte of library is so much as compiled.
"use strict";

new PerformanceObserver((list, observer) => {
  observer.disconnect();
  performance.mark("explorer");
  for (const text of document.querySelectorAll("script[type='text/plain']")) {
    const script = document.createElement("script");
    script.textContent = text.textContent;
    text.replaceWith(script);
  }
}).observe({ type: "paint", buffered: true });
