// @ts-check
// Says to screen readers what changed elsewhere on the page.

/** @param {string} text */
export function announce(text) {
  const place = document.getElementById("announcements");
  if (place !== null && place.textContent !== text) place.textContent = text;
}
