// Vue without a bundler. In a template compiled by a bundler, name the tags in `compilerOptions.isCustomElement`.
import "@licet/elements";
import { createApp, h, ref } from "vue";

const base = document.querySelector("meta[name=licet]").content;
const token = async () => (await fetch("/licet-token")).text();

const App = {
  setup() {
    const heard = ref("");
    const told = (event) => {
      const answers = event.detail.answers.map(({ question, allow }) => `${question}: ${allow ? "yes" : "no"}`);
      heard.value = `You answered ${answers.join(", ")}.`;
    };
    return () =>
      h("main", [
        h("h1", "The assistant"),
        h("p", { role: "status", id: "heard" }, heard.value),
        h("licet-notice", { base, token, surface: "web", display: "dialog", "onLicet-answered": told }),
        h("h2", "Privacy"),
        h("licet-settings", { base, token, surface: "web", "heading-level": 3, "onLicet-answered": told }),
      ]);
  },
};

createApp(App).mount("#app");
