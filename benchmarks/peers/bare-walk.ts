// Usage: bare-walk.ts FOLDER. Prints how many names there are below it, each of which it looked at.
import { lstatSync, readdirSync } from 'node:fs';

const [folder = ''] = process.argv.slice(2);
let names = 0;

function walk(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = `${directory}/${name}`;
    names += 1;
    if (lstatSync(path).isDirectory()) walk(path);
  }
}

walk(folder);
process.stdout.write(`${names}\n`);
