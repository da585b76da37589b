#!/usr/bin/env node
// The `svidex` command: what the native library has of it, in a process of its own.

const { addon } = require('../dist/native.js');

try {
  process.exitCode = addon.runCommand(['svidex', ...process.argv.slice(2)]);
} catch (error) {
  console.error(`svidex: ${error.message}`);
  process.exitCode = 1;
}
