// Pages hold times in UTC, which is all that they can mean without a script. With this one people read them, and
// write them into forms, as their own.

const calendar = new Intl.DateTimeFormat(document.documentElement.lang, {
  dateStyle: "long",
  timeStyle: "short",
});
for (const time of document.querySelectorAll("time[data-date]"))
  time.textContent = calendar.format(new Date(time.dateTime));

const DATE_TIME = "input[type=datetime-local]";
const MINUTE = 60 * 1000;

/** As short as an input has it: without seconds if there are none. */
const shorten = (iso) => iso.replace(/(:00)?(\.0+)?Z$/, "");

/** The same instant, as clocks here show it. */
function here(utc) {
  const time = new Date(`${utc}Z`);
  if (Number.isNaN(time.valueOf())) return utc;
  return shorten(new Date(time - time.getTimezoneOffset() * MINUTE).toISOString());
}

/** And back. */
function inUtc(local) {
  const time = new Date(local);
  return Number.isNaN(time.valueOf()) ? local : shorten(time.toISOString());
}

for (const form of document.querySelectorAll(`form:has(${DATE_TIME})`)) {
  for (const field of form.querySelectorAll(DATE_TIME)) field.value = here(field.defaultValue);
  for (const zone of form.querySelectorAll("[data-zone]"))
    zone.textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;
  form.addEventListener("formdata", ({ formData }) => {
    for (const { name, value } of form.querySelectorAll(DATE_TIME)) formData.set(name, inUtc(value));
  });
}
