// One implementation behind both module systems, so that `SvidexError` is one
// class however a program gets at it.
import svidex from './dist/index.js';

export const { Provider, SvidexError, doctor, version } = svidex;
