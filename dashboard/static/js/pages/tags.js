// Choosing a tag: the list comes beneath the image's field, is filtered as one types, and a click writes the image into the field.

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-choose-tag]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    return list(link);
  }
  const tag = event.target.closest(".tag-choice [data-tag]");
  if (tag && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    choose(tag);
  }
});

document.addEventListener("input", (event) => event.target.matches("[data-filter-tags]") && filter(event.target));
document.addEventListener("keydown", (event) => {
  const isFilter = event.target.matches?.("[data-filter-tags]");
  if (isFilter && event.key === "Enter") event.preventDefault(); // it stands in a form that is about other things
  if (event.key === "Escape" && event.target.closest?.(".tag-choice")) close(event.target.closest(".tag-choice"));
});
document.addEventListener("estiva:fragment", () => reveal(document));

async function list(link) {
  const form = link.closest("form");
  const place = form.querySelector(".tag-choice");
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("image", form.elements.image.value);
  link.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(link.href, { method: "POST", body, headers: { "HX-Request": "true", "X-Fragment": "1" } });
    if (!response.ok && response.status !== 422) throw new Error(`the list answered ${response.status}`);
    const target = place.querySelector("#tags");
    await window.htmx.swap({ text: await response.text(), target, swap: "outerMorph", sourceElement: target });
    document.dispatchEvent(new CustomEvent("estiva:watch"));
    reveal(place);
  } catch (error) {
    console.info("The tags could not be asked for; the page of its own is shown instead.", error);
    location.assign(link.href);
  } finally {
    link.removeAttribute("aria-busy");
  }
}

function reveal(root) {
  for (const input of root.querySelectorAll("[data-filter-tags][hidden]")) {
    input.hidden = false;
    if (input.closest(".tag-choice")) input.focus();
  }
}

function filter(input) {
  const wanted = input.value.trim().toLowerCase();
  for (const row of input.closest(".tags").querySelectorAll(".tag-list > li")) {
    row.hidden = !row.querySelector(".tag-name").textContent.toLowerCase().includes(wanted);
  }
}

function choose(tag) {
  const place = tag.closest(".tag-choice");
  const field = place.closest("form").elements.image;
  field.value = tag.dataset.tag;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  close(place);
}

function close(place) {
  const empty = document.createElement("div");
  empty.id = "tags";
  place.replaceChildren(empty);
  place.closest("form").elements.image.focus();
}

reveal(document);
