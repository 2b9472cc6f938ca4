/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TypeScript to JavaScript, loaded when a run asks for it. Two ways, by what there is:
 *
 *   node's own stripper (22.13 and later)   types become spaces: lines and columns stay. Enums, namespaces, parameter
 *                                           properties and <T>casts are code, not types: then its transform, with a map
 *   esbuild (older nodes)                   a program of the sandbox; always with a map
 *
 * Both refuse a top-level return beside a top-level await, so such a body is read inside of the same frame that it will
 * run in, and the frame is cut off again. Namespaces, import and export may not stand in a frame: what looks as if it
 * had them is read bare first. Nothing is type-checked.
 */
'use strict';

const childProcess = require('child_process');
const Module = require('module');

const TIME_MAX = 10000; /* ms for esbuild */
const OUT_MAX = 64 << 20; /* bytes of what esbuild says */
const NEWER_NODE = 'or name a node of 22.13 or later in the configuration, runtimes: {javascript: /path/to/bin/node}.';
const BARE_FIRST = /^[ \t]*(?:import|export|namespace|module|declare)\b/m;

/* What went wrong, with its place in the text that was given in; kind as in the shim's errors. */
class StripError {
	constructor(message, line, column, fix, kind) {
		Object.assign(this, { message, line, column, fix, kind });
	}
}

/* node says once that its stripper is experimental; that is not the user's concern. */
function quietly(work) {
	const { emitWarning } = process;
	process.emitWarning = () => {};
	try {
		return work();
	} finally {
		process.emitWarning = emitWarning;
	}
}

/* The place that node draws over a SyntaxError: ":LINE", the line, a caret. */
function drawnPlace(stack) {
	const lines = String(stack).split('\n');
	const at = /:(\d+)$/.exec(lines[0]);
	const caret = lines.slice(1, 6).findIndex(line => /^\s*\^+\s*$/.test(line));
	return at ? { line: Number(at[1]), column: caret === -1 ? 1 : lines[caret + 1].indexOf('^') + 1 } : { line: 1, column: 1 };
}

const INLINE_MAP = /\n*\/\/# sourceMappingURL=data:application\/json(?:;charset=[\w-]+)?;base64,([A-Za-z0-9+/=]*)\s*$/;

function splitMap(text) {
	const found = INLINE_MAP.exec(text);
	return found ? { text: text.slice(0, found.index), map: new Module.SourceMap(JSON.parse(Buffer.from(found[1], 'base64'))) }
		: { text, map: null };
}

function nodeStrip(text) {
	const read = options => {
		try {
			return Module.stripTypeScriptTypes(text, options);
		} catch (e) {
			if (!e || !/^ERR_(INVALID|UNSUPPORTED)_TYPESCRIPT_SYNTAX$/.test(e.code))
				throw e;
			const { line, column } = drawnPlace(e.stack);
			return new StripError(e.message, line, column, undefined, e.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? 'code' : undefined);
		}
	};
	let made = read({ mode: 'strip' });
	if (made instanceof StripError && made.kind === 'code')
		made = read({ mode: 'transform', sourceMap: true });
	if (!(made instanceof StripError))
		return splitMap(made);
	made.kind = undefined;
	return made;
}

const ESBUILD = ['--loader=ts', '--sourcemap=inline', '--sources-content=false', '--charset=utf8', '--target=node18', '--log-limit=1',
	'--color=false', '--sourcefile=input.ts', '--tsconfig-raw={"compilerOptions":{"useDefineForClassFields":true,"target":"esnext"}}'];

/* "✘ [ERROR] what" and "input.ts:LINE:COLUMN:", the column from 0 and in bytes. */
function esbuildError(text, said) {
	const what = /\[ERROR\] (.*)/.exec(said);
	const at = /^\s+input\.ts:(\d+):(\d+):/m.exec(said);
	if (!what)
		return new StripError(`esbuild failed: ${said.slice(0, 500)}`, 1, 1, undefined, 'interpreter');
	const line = text.split(/\r\n|[\n\r\u2028\u2029]/)[at ? Number(at[1]) - 1 : 0] || '';
	const before = Buffer.from(line).subarray(0, at ? Number(at[2]) : 0).toString();
	return new StripError(what[1], at ? Number(at[1]) : 1, before.length + 1);
}

function esbuild(text) {
	const run = childProcess.spawnSync('esbuild', ESBUILD, { input: text, timeout: TIME_MAX, maxBuffer: OUT_MAX });
	if (run.error && run.error.code === 'ENOENT')
		return new StripError(`TypeScript wants a newer node than ${process.version}, or esbuild, and neither is in the sandbox`, 1, 1,
			`Install Debian's package on the machine of the sandbox: apt-get install esbuild; ${NEWER_NODE}`, 'interpreter');
	if (run.error)
		return new StripError(`esbuild could not be run: ${run.error.message}`, 1, 1, undefined, 'interpreter');
	return run.status === 0 ? splitMap(run.stdout.toString()) : esbuildError(text, run.stderr.toString());
}

/* Its answer to decorators is a helper and calls of it, each with the decorator's place: the first of them. */
function decoratorPlace(made) {
	if (!/^var __decorateClass\b/m.test(made.text))
		return null;
	const lines = made.text.split('\n');
	const places = lines.flatMap((line, i) => /\b__decorateClass\(\[$/.test(line) ? [made.map.findEntry(i + 1, lines[i + 1].search(/\S/))] : [])
		.map(found => ({ line: found.originalLine + 1, column: found.originalColumn + 1 }));
	return places.sort((one, other) => one.line - other.line || one.column - other.column)[0] || null;
}

const FRAME_OPENS = /^\(?async\s*\(\)\s*=>\s*\{/;
const FRAME_CLOSES = /\}\s*\)?;?\s*$/;

/* The frame is taken off again: {code, first}, first = how much was cut from the first line; null: it is not whole. */
function cutFrame(text) {
	const opens = FRAME_OPENS.exec(text), closes = FRAME_CLOSES.exec(text);
	return opens && closes && closes.index >= opens[0].length
		? { code: text.slice(opens[0].length, closes.index), first: opens[0].length } : null;
}

/* -> {code, locate}; locate(line, column) is null where places stay, else gives the user's place. */
function readAs(text, prefix, way) {
	const shift = place => place.line === 1 ? { line: 1, column: Math.max(1, place.column - prefix.length) } : place;
	const made = way(prefix ? `${prefix}${text}\n})` : text);
	if (made instanceof StripError)
		return Object.assign(made, shift(made));
	const decorator = made.map ? decoratorPlace(made) : null;
	if (decorator)
		return Object.assign(new StripError('', 1, 1, undefined, 'decorator'), shift(decorator));
	const cut = prefix ? cutFrame(made.text) : { code: made.text, first: 0 };
	if (cut === null)
		return null;
	const locate = (line, column) => {
		const found = made.map.findEntry(line - 1, column - 1 + (line === 1 ? cut.first : 0));
		return found.originalLine === undefined ? null : shift({ line: found.originalLine + 1, column: found.originalColumn + 1 });
	};
	return { code: cut.code, locate: made.map ? locate : null };
}

/* The text as JavaScript: {code, locate}, or a StripError. prefix opens the frame that the code will run in. */
function strip(text, prefix) {
	const way = typeof Module.stripTypeScriptTypes === 'function' ? nodeStrip : esbuild;
	const bareFirst = BARE_FIRST.test(text);
	return quietly(() => {
		const first = readAs(text, bareFirst ? '' : prefix, way);
		if (first !== null && (!(first instanceof StripError) || first.kind !== undefined))
			return first;
		const second = readAs(text, bareFirst ? prefix : '', way);
		if (second !== null && !(second instanceof StripError))
			return second;
		return first || second;
	});
}

/* Stacks show the user's places: what V8 makes of a stack, with every place of `file` looked up. */
function mapStacks(file, locate) {
	const escaped = file.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
	const places = new RegExp(`(^|[\\s(])${escaped}:(\\d+):(\\d+)`, 'g');
	Error.prepareStackTrace = (error, sites) => {
		let head = '';
		try {
			head = Error.prototype.toString.call(error);
		} catch (e) { /* an error that does not want to be read */ }
		const lines = sites.map(site => `\n    at ${site}`.replace(places, (whole, before, line, column) => {
			const at = locate(Number(line), Number(column));
			return at ? `${before}${file}:${at.line}:${at.column}` : whole;
		}));
		return head + lines.join('');
	};
}

module.exports = { StripError, strip, mapStacks };
