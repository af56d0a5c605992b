// The host's own server says who is signed in, and signs a short token for them.
const token = async () => (await fetch("/licet-token")).text();

for (const one of document.querySelectorAll("licet-notice, licet-settings")) one.token = token;

document.addEventListener("licet-answered", (event) => {
  const answers = event.detail.answers.map(({ question, allow }) => `${question}: ${allow ? "yes" : "no"}`);
  document.getElementById("heard").textContent = `You answered ${answers.join(", ")}.`;
});
