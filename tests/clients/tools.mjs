/** The tools that users generate their code with, run as users run them. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("./", import.meta.url));

/** Runs a command that npm has installed, in a folder of this one; resolves to its exit code and everything it said. */
export function run(command, ...given) {
  return runIn(".", command, ...given);
}

export function runIn(folder, command, ...given) {
  const options = { cwd: HERE + folder, env: { ...process.env, NO_COLOR: "1" } };
  return new Promise((resolve) => {
    execFile(`${HERE}node_modules/.bin/${command}`, given, options, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, said: stdout + stderr });
    });
  });
}
