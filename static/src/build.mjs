// Builds static/dist from static/src: the style sheet, the icon sprite, and
// htmx with its extension for streams as they came. Run from anywhere: node static/src/build.mjs
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const src = dirname(fileURLToPath(import.meta.url));
const root = join(src, "../..");
const dist = join(src, "../dist");
const modules = join(root, "node_modules");
mkdirSync(dist, { recursive: true });

// Icons: only those named in icons.txt, as one sprite of symbols.
const names = readFileSync(join(src, "icons.txt"), "utf8").split("\n").filter(Boolean);
const symbols = names.map((name) => {
  const svg = readFileSync(join(modules, "lucide-static/icons", `${name}.svg`), "utf8");
  const shapes = svg.replace(/<!--[^]*?-->/g, "").replace(/^[^]*?<svg[^>]*>/, "").replace(/<\/svg>\s*$/, "");
  return `<symbol id="i-${name}" viewBox="0 0 24 24">${shapes.replace(/\s*\n\s*/g, "")}</symbol>`;
});
writeFileSync(join(dist, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);

// The source map comment would make a browser ask for a file that is not ours.
for (const name of ["htmx.min.js", "ext/hx-sse.min.js"]) {
  const script = readFileSync(join(modules, "htmx.org/dist", name), "utf8");
  writeFileSync(join(dist, basename(name)), script.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n"));
}

execFileSync(process.execPath, [join(modules, "@tailwindcss/cli/dist/index.mjs"), "--input", join(src, "input.css"), "--output", join(dist, "app.css"), "--minify"], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
