// Makes a component of policy.js: node build.mjs FILE

import { componentize } from "@bytecodealliance/componentize-js";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const [file] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { component } = await componentize(await readFile(here("policy.js"), "utf8"), {
  witPath: here("../../../wit"),
  worldName: "policy",
  // A policy has no network. These would only make it larger.
  disableFeatures: ["http", "stdio", "clocks", "random"],
});
await writeFile(file, component);
