// Draw graphs: {"name": "digraph …"} on standard input, {"name": "<svg …>"} on standard output.
// node render.mjs FOLDER, where FOLDER holds node_modules.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';

const module = join(process.argv[2], 'node_modules', '@hpcc-js', 'wasm-graphviz', 'dist', 'index.js');
const { Graphviz } = await import(pathToFileURL(module));
const graphviz = await Graphviz.load();
const graphs = JSON.parse(await text(process.stdin));
const drawn = Object.fromEntries(Object.entries(graphs).map(([name, dot]) => [name, graphviz.dot(dot, 'svg')]));
process.stdout.write(JSON.stringify(drawn));
