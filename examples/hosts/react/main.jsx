// React 19 sets properties of custom elements and listens to their events by name: `on` and the event.
import "@licet/elements";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const base = document.querySelector("meta[name=licet]").content;
const token = async () => (await fetch("/licet-token")).text();

function App() {
  const [heard, setHeard] = useState("");
  const told = (event) => {
    const answers = event.detail.answers.map(({ question, allow }) => `${question}: ${allow ? "yes" : "no"}`);
    setHeard(`You answered ${answers.join(", ")}.`);
  };
  return (
    <main>
      <h1>The assistant</h1>
      <p role="status" id="heard">{heard}</p>
      <licet-notice base={base} token={token} surface="web" onlicet-answered={told} />
      <h2>Privacy</h2>
      <licet-settings base={base} token={token} surface="web" heading-level="3" onlicet-answered={told} />
    </main>
  );
}

createRoot(document.getElementById("app")).render(<StrictMode><App /></StrictMode>);
