// SPDX-License-Identifier: MIT
//
// flows.js: Node.js's async functions, as a peer (../README.md has the dialogue): stackless, one
// thread, scheduled by the queue of microtasks. Each flow counts in a place of its own.
'use strict';

const fs = require('fs');

// One op: a flow awaits nothing, so that all others have their turn.
function yields(params) {
  const flows = Number(params.flows);
  return async (ops) => {
    const counts = new Array(flows).fill(0);
    const flow = async (i, share) => {
      for (; counts[i] < share; counts[i]++) await undefined;
    };
    const all = [];
    for (let i = 0; i < flows; i++) {
      all.push(flow(i, Math.floor(ops / flows) + (i < ops % flows ? 1 : 0)));
    }
    await Promise.all(all);
    return counts.reduce((sum, n) => sum + n, 0);
  };
}

function spawn(params) {
  const batch = Number(params.batch);
  return async (ops) => {
    let counted = 0;
    const flow = async () => {
      await undefined;
      counted++;
    };
    for (let left = ops; left > 0;) {
      const all = [];
      for (let i = Math.min(batch, left); i > 0; i--) all.push(flow());
      await Promise.all(all);
      left -= all.length;
    }
    return counted;
  };
}

// Two flows and a promise for each item on its way: the language has no channels.
function message() {
  return async (ops) => {
    let counted = 0;
    let give, given = new Promise((resolve) => { give = resolve; });
    const replier = async () => {
      for (;;) {
        const {item, reply} = await given;
        if (item < 0) return;
        given = new Promise((resolve) => { give = resolve; });
        reply(item);
      }
    };
    const replies = replier();
    for (let i = 0; i < ops; i++) {
      const item = await new Promise((reply) => give({item: i, reply}));
      if (item === i) counted++;
    }
    give({item: -1});
    await replies;
    return counted;
  };
}

function footprint() {
  const parked = [];
  return async (ops) => {
    let begun = 0;
    const flow = async () => {
      begun++;
      await new Promise((resolve) => parked.push(resolve));
    };
    for (let i = 0; i < ops; i++) flow();
    return begun;
  };
}

// Read as a program would that waits for nothing else: no event loop between two counts.
function readLine(buffer) {
  for (;;) {
    const end = buffer.text.indexOf('\n');
    if (end >= 0) {
      const line = buffer.text.slice(0, end);
      buffer.text = buffer.text.slice(end + 1);
      return line;
    }
    const bytes = Buffer.alloc(256);
    const n = fs.readSync(0, bytes, 0, bytes.length, null);
    if (n === 0) return null;
    buffer.text += bytes.toString('latin1', 0, n);
  }
}

async function main([experiment, ...words]) {
  const params = Object.fromEntries(words.map((word) => word.split('=')));
  const run = {yield: yields, spawn, message, footprint}[experiment](params);
  const warmOps = 200000; // the compiler has then seen the loops often enough
  if (experiment !== 'footprint') await run(warmOps);
  fs.writeSync(1, `{"ready": "Node.js ${process.version}, V8 ${process.versions.v8}"}\n`);
  const buffer = {text: ''};
  for (let line; (line = readLine(buffer)) !== null;) {
    fs.writeSync(1, `{"counted": ${await run(Number(line))}}\n`);
  }
}

main(process.argv.slice(2));
