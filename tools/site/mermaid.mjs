// Parses the Mermaid diagrams of Markdown pages with Mermaid's own parser, which `tools/install.sh mermaid` installs.
//
//   node tools/site/mermaid.mjs page.md …     a line for each diagram that doesn't parse, and exit code 1 if there is one
//   node tools/site/mermaid.mjs --self-test   check the check: it must report planted errors and must accept valid diagrams
//   node tools/site/mermaid.mjs --version DIR the version that is in this directory, if it works

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const INSTALLED = fileURLToPath(new URL('../../.tools/mermaid', import.meta.url));
const FENCE = /^( *)```mermaid *\n(.*?)^\1```$/gms;

async function load(directory) {
  const module = async (file) => (await import(pathToFileURL(join(directory, 'node_modules', file)))).default;
  const purify = await module('dompurify/dist/purify.es.mjs');
  // It needs a browser. Parsing needs no clean HTML.
  purify.addHook ??= () => {};
  purify.sanitize ??= (text) => text;
  return module('mermaid/dist/mermaid.core.mjs');
}

// Mermaid reads a time that dateFormat doesn't fit as any year, without an error.
async function parse(mermaid, text) {
  await mermaid.parse(text);
  const diagram = await mermaid.mermaidAPI.getDiagramFromText(text);
  if (diagram.type !== 'gantt') return;
  const tasks = diagram.db.getTasks();
  const days = (Math.max(...tasks.map((task) => task.endTime)) - Math.min(...tasks.map((task) => task.startTime))) / 86_400_000;
  if (!(days < 1)) throw new Error(`the schedule takes ${Math.round(days)} days; does dateFormat fit its times?`);
}

async function problems(mermaid, name, page) {
  const found = [];
  let count = 0;
  for (const match of page.matchAll(FENCE)) {
    count += 1;
    const line = page.slice(0, match.index).split('\n').length;
    await parse(mermaid, match[2]).catch((error) => found.push(`${name}:${line}: ${error.message}`));
  }
  // A fence in a list of its own indentation, or without an end, would go unchecked.
  const fences = page.match(/^.*(```|~~~) *\{?\.?mermaid.*$/gim)?.length ?? 0;
  if (fences !== count) found.push(`${name}:1: ${fences} diagrams begin, but ${count} are between \`\`\`mermaid and \`\`\``);
  return { count, found };
}

async function check(mermaid, names) {
  let count = 0;
  let failed = false;
  for (const name of names) {
    const result = await problems(mermaid, name, readFileSync(name, 'utf8'));
    count += result.count;
    failed ||= result.found.length > 0;
    result.found.forEach((text) => console.error(text));
  }
  if (count === 0) throw new Error('these pages have no diagram');
  console.log(`${count} diagrams in ${names.length} pages`);
  return failed ? 1 : 0;
}

const VALID = {
  'a flowchart': 'flowchart LR\n    a["one<br>two"] -->|"three"| b[(four)]\n',
  'a sequence': 'sequenceDiagram\n    A->>+B: hello\n    Note over A,B: a note\n    B-->>-A: bye\n',
  'states': 'stateDiagram-v2\n    [*] --> A: start\n    A --> [*]\n',
  'a schedule': 'gantt\n    dateFormat mm:ss\n    section A\n    b :00:50, 10s\n    c :01:00, 10s\n',
};
const BROKEN = {
  'an arrow to nothing': 'flowchart LR\n    a -->\n',
  'a bracket without an end': 'flowchart LR\n    a[one --> b\n',
  'a message without a receiver': 'sequenceDiagram\n    A->>\n',
  'a state without a name': 'stateDiagram-v2\n    [*] -->\n',
  'a task without a time': 'gantt\n    section A\n    b :\n',
  'a time that is no second': 'gantt\n    dateFormat s\n    section A\n    b :50, 10s\n    c :70, 10s\n',
  'an unknown kind': 'flowfart LR\n    a --> b\n',
};

async function selfTest(mermaid) {
  const wrong = [];
  const page = (text) => `# A page\n\n\`\`\`mermaid\n${text}\`\`\`\n`;
  const line = async (text) => (await problems(mermaid, 'page', text)).found.join('\n');
  for (const [what, text] of Object.entries(VALID)) {
    if ((await line(page(text))) !== '') wrong.push(`rejects ${what}: ${await line(page(text))}`);
  }
  for (const [what, text] of Object.entries(BROKEN)) {
    // The valid one before it must neither hide it nor change its line.
    const found = await line(page(VALID['a flowchart']) + '\n' + page(text));
    if (!found.startsWith('page:10: ')) wrong.push(`accepts ${what}, or reports another line: ${found}`);
  }
  if ((await line('```mermaid\nflowchart LR\n')) === '') wrong.push('accepts a diagram without an end');
  if ((await line('- a\n\n  ```mermaid\n  nonsense\n  ```\n')) === '') wrong.push('accepts a broken diagram in a list');
  wrong.forEach((text) => console.error(`not ok: the check ${text}`));
  console.log(`${Object.keys(VALID).length + Object.keys(BROKEN).length + 2 - wrong.length} passed, ${wrong.length} failed`);
  return wrong.length > 0 ? 1 : 0;
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--version') {
  await load(rest[0]);
  console.log(JSON.parse(readFileSync(join(rest[0], 'node_modules/mermaid/package.json'), 'utf8')).version);
} else {
  const mermaid = await load(INSTALLED);
  process.exitCode = first === '--self-test' ? await selfTest(mermaid) : await check(mermaid, process.argv.slice(2));
}
