// What an examiner does on the page: choose, go on by keyboard, see how far it is, save a sealed sheet.

const NO_FACE = { 0: "no_candidate", 9: "inconclusive" };
const SAID = { no_candidate: "no candidate", inconclusive: "inconclusive" };
const sheetElement = document.getElementById("sheet");
const probeElements = Array.from(sheetElement.querySelectorAll(".probe"));
const openedAt = new Date();
let unsaved = false;

/** The chosen value of a probe: a letter, "no_candidate", "inconclusive", or null. */
function chosenOf(probe) {
  return probe.querySelector("input:checked")?.value ?? null;
}

function tell(words, isBad) {
  const told = document.getElementById("told");
  told.textContent = words;
  told.classList.toggle("bad", isBad);
}

/** Shows of each probe whether it is answered, and how many are. */
function showProgress() {
  for (const probe of probeElements) {
    const value = chosenOf(probe);
    const words = value === null ? "not answered" : `answered: ${SAID[value] ?? `${value} may be`}`;
    probe.classList.toggle("done", value !== null);
    probe.querySelector(".state").textContent = words;
  }
  const done = probeElements.filter((probe) => chosenOf(probe) !== null).length;
  const noun = probeElements.length === 1 ? "probe" : "probes";
  document.getElementById("progress").textContent = `${done} of ${probeElements.length} ${noun} answered`;
}

/** Puts the focus among the choices of a probe: on the chosen one, else on the first. */
function goTo(probe) {
  const target = probe.querySelector("input:checked") ?? probe.querySelector("input");
  target.focus({ preventScroll: true });
  probe.scrollIntoView({ block: "start" });
}

/** Keys that count only while the focus is among the choices of a probe. */
function chooseByKey(event, probe) {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (event.key === "Enter") {
    const next = probeElements[probeElements.indexOf(probe) + (event.shiftKey ? -1 : 1)];
    event.preventDefault();
    if (next !== undefined) {
      goTo(next);
    }
    return;
  }
  const wanted = NO_FACE[event.key] ?? event.key.toUpperCase();
  const choice = Array.from(probe.querySelectorAll("input")).find((input) => input.value === wanted);
  if (choice !== undefined) {
    event.preventDefault();
    choice.focus();
    choice.click();
  }
}

/** The finished sheet as `facebatch.review.outcomes` has it. */
function finishedSheet() {
  const told = sheetElement.dataset;
  const now = new Date();
  return {
    format_version: "review sheet 1",
    review: told.review,
    assignment: told.assignment,
    case: told.case,
    examiner: told.examiner,
    opened_at: openedAt.toISOString(),
    finished_at: (now < openedAt ? openedAt : now).toISOString(),
    findings: probeElements.map((probe) => {
      const value = chosenOf(probe);
      const isFace = !(value in SAID);
      return {
        probe: probe.dataset.probe,
        outcome: isFace ? "potential_candidate" : value,
        candidate: isFace ? value : null,
        note: cleanNote(probe.querySelector("textarea").value),
      };
    }),
  };
}

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function save() {
  const missing = probeElements.filter((probe) => chosenOf(probe) === null);
  if (missing.length > 0) {
    const labels = missing.map((probe) => probe.dataset.probe).join(", ");
    tell(`Nothing was saved: ${missing.length === 1 ? "probe" : "probes"} ${labels} not answered.`, true);
    goTo(missing[0]);
    return;
  }
  if (globalThis.crypto?.subtle === undefined) {
    tell("Nothing was saved: open this page as a file or over https, or it cannot seal the sheet.", true);
    return;
  }
  const name = `review-${sheetElement.dataset.assignment}.json`;
  download(await sealSheet(finishedSheet(), sheetElement.dataset.key), name);
  unsaved = false;
  tell(`Saved as ${name} among your downloads.`, false);
}

for (const probe of probeElements) {
  probe.querySelector("fieldset").addEventListener("keydown", (event) => chooseByKey(event, probe));
}
sheetElement.addEventListener("input", () => {
  unsaved = true;
  tell("", false);
  showProgress();
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() === "s" && (event.ctrlKey || event.metaKey) && !event.altKey) {
    event.preventDefault();
    save();
  }
});
document.getElementById("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => {
  if (unsaved) {
    event.preventDefault();
  }
});
showProgress();
