/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim of JavaScript: PROTOCOL.md section 8 from the interpreter's side. One file, Node 18 to 22, no dependency.
 *
 * Life: set up (all that is expensive), wait for OPEN of stream 1 on descriptor 3, compile, run, send the result or the
 * error as soon as the main function ends, exit. The socket is referenced, so `await new Promise(() => {})` waits for
 * its deadline instead of ending quietly. Nothing here is a wall: the sandbox is; but no text can close the frame that
 * it is compiled in, and what user code does to globals does not change what the shim does.
 */
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const url = require('url');
const util = require('util');
const vm = require('vm');
const Module = require('module');
const { Console } = require('console');

const FD_FRAMES = 3;
const FD_LOG = 4;
const FD_LOBBY = 5;

const HEADER = 16;
const PAYLOAD_MAX = 65536;
const HEAD_MAX = 16384; /* JSON of a head or tail, in bytes */
const LOG_MAX = 60000; /* bytes of one log record's text; the guest cuts at 60 KiB, without a mark */
const FIN = 1;
const OPEN = 16, HEAD = 17, BODY = 18, TAIL = 19, RESET = 20;
const CHANNEL_MAIN = 0, CHANNEL_PROGRESS = 4, CHANNEL_RESULT = 5, CHANNEL_DATA = 6;
const RUN_STREAM = 1;
const SMALL_CALL = 8192; /* UTF-16 units of arguments that fit the output buffer whatever their text */
const SMALL_RESULT = 32768; /* bytes that share a write with TAIL */

/* User code may replace any of these; the shim keeps its own. */
const { parse, stringify } = JSON;
const nextTick = process.nextTick;
const exitProcess = process.exit.bind(process);
const later = setImmediate;
const AsyncFunction = (async () => {}).constructor;
const inspect = util.inspect;
const encoder = new TextEncoder();

const state = {
	head: null, /* OPEN's head of the run */
	code: [], data: [], /* its body by channels, as it comes */
	finished: false,
	file: '', /* full path that the program would have */
	importHelper: null, /* import() as a file of the run's directory would do it */
};

/* ---------------------------------------------------------------- log records, descriptor 4 */

const LEVELS = { log: 0, info: 1, debug: 2, warn: 3, error: 4 };

function writeAll(fd, bytes) {
	for (let at = 0; at < bytes.length;) {
		try {
			at += fs.writeSync(fd, bytes, at, bytes.length - at);
		} catch (e) {
			if (e.code !== 'EAGAIN')
				return false;
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
		}
	}
	return true;
}

/* Synchronous: the record must be out before the code that follows it can loop for ever. */
function logRecord(level, text) {
	let body = Buffer.from(text, 'utf8');
	if (body.length > LOG_MAX) {
		const mark = Buffer.from(` ... (${body.length} bytes)`);
		let cut = LOG_MAX - mark.length;
		while ((body[cut] & 0xc0) === 0x80)
			cut--;
		body = Buffer.concat([body.subarray(0, cut), mark]);
	}
	const record = Buffer.allocUnsafe(5 + body.length);
	record.writeUInt32BE(1 + body.length, 0);
	record[4] = level;
	body.copy(record, 5);
	writeAll(FD_LOG, record);
}

/* node's own Console does the formatting, counting, grouping and timing; only where it writes is ours. */
function makeConsole() {
	let level = 0;
	const sink = base => ({
		write(text) {
			const shown = text.includes(__filename) ? cleanStack(text) : text;
			logRecord(level || base, shown.endsWith('\n') ? shown.slice(0, -1) : shown);
			return true;
		},
		on() {}, once() {}, removeListener() {}, listenerCount: () => 0,
	});
	const made = new Console({ stdout: sink(LEVELS.log), stderr: sink(LEVELS.error), ignoreErrors: false, colorMode: false });
	for (const [name, value] of Object.entries(LEVELS).concat([['trace', LEVELS.error], ['assert', LEVELS.warn]])) {
		const plain = made[name].bind(made);
		made[name] = (...args) => {
			const before = level;
			level = value;
			try {
				return plain(...args);
			} finally {
				level = before;
			}
		};
	}
	return made;
}

function installConsole() {
	const made = makeConsole();
	for (const name of Object.getOwnPropertyNames(console))
		if (typeof made[name] === 'function' && name !== 'Console' && name !== '_stdout' && name !== '_stderr')
			console[name] = made[name];
	const log = (...args) => made.log(...args);
	for (const name of Object.keys(LEVELS))
		log[name] = made[name];
	log.warning = made.warn;
	return log;
}

/* ---------------------------------------------------------------- JSON that keeps integers */

const MARK = `\u0001hawser-integer:${Math.random().toString(36).slice(2)}${Date.now().toString(36)}:`;

/* Is the character at `at` inside a string? `from` is known to be outside; answers with where to go on. */
function stringSpan(text, from, at) {
	for (let quote = text.indexOf('"', from); quote !== -1 && quote < at;) {
		let end = quote;
		do {
			end = text.indexOf('"', end + 1);
			let slashes = 0;
			while (text.charCodeAt(end - 1 - slashes) === 92)
				slashes++;
			if (end === -1 || slashes % 2 === 0)
				break;
		} while (true);
		if (end === -1 || end > at)
			return { inside: true, next: quote };
		from = end + 1;
		quote = text.indexOf('"', from);
	}
	return { inside: false, next: from };
}

const isDigit = code => code >= 48 && code <= 57;

/* Are there 16 digits in a row? Then one of them stands at a sixteenth place, so most of a text need not be looked at. */
function hasLongInteger(text) {
	for (let at = 15; at < text.length; at += 16) {
		if (!isDigit(text.charCodeAt(at)))
			continue;
		let from = at, end = at + 1;
		while (at - from < 15 && isDigit(text.charCodeAt(from - 1)))
			from--;
		while (end - from < 16 && isDigit(text.charCodeAt(end)))
			end++;
		if (end - from === 16)
			return true;
	}
	return false;
}

/* JSON.parse, but integers that a Number might not hold (beyond 2^53 - 1) become BigInt. */
function parseExact(text) {
	if (!hasLongInteger(text))
		return parse(text);
	const digits = /-?\d{16,}/g;
	let out = '', copied = 0, from = 0;
	for (let m = digits.exec(text); m; m = digits.exec(text)) {
		const end = digits.lastIndex;
		const around = text.charAt(m.index - 1) + text.charAt(end);
		if (/[.eE+\d]/.test(around) || Number.isSafeInteger(Number(m[0])))
			continue;
		const span = stringSpan(text, from, m.index);
		from = span.next;
		if (span.inside)
			continue;
		out += `${text.slice(copied, m.index)}${stringify(MARK + m[0])}`;
		copied = from = end;
	}
	if (copied === 0)
		return parse(text);
	return parse(out + text.slice(copied), (key, value) =>
		typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value);
}

const MARKED = new RegExp(`"${stringify(MARK).slice(1, -1).replace(/\\/g, '\\\\')}(-?\\d+)"`, 'g');

const unmark = text => text.includes('hawser-integer:') ? text.replace(MARKED, '$1') : text;

/* Arguments: as JSON.stringify, and a BigInt is written as an integer. */
function argumentsText(args) {
	try {
		return stringify(args);
	} catch (e) {
		return unmark(stringify(args, (key, value) => typeof value === 'bigint' ? MARK + value : value));
	}
}

/* ---------------------------------------------------------------- the result as JSON */

class ResultError extends Error {
	constructor(message, fix) {
		super(message);
		this.fix = fix;
		this.stack = `TypeError: ${message}`;
	}
}
Object.defineProperty(ResultError.prototype, 'name', { value: 'TypeError' });

function describeError(value) {
	const own = {};
	for (const key of Object.keys(value))
		own[key] = value[key];
	return { name: value.name, message: value.message, ...own };
}

/* What JSON.stringify would lose or garble: made sensible, or refused with the path to it. */
function resultValue(value, where) {
	if (typeof value === 'bigint')
		return MARK + value;
	if (typeof value === 'function' || typeof value === 'symbol')
		throw new ResultError(`the result holds a ${typeof value} at ${where}, which JSON cannot say`,
			'Return plain data: objects, arrays, strings, numbers, booleans, null.');
	if (typeof value !== 'object' || value === null)
		return value;
	if (util.types.isPromise(value))
		throw new ResultError(`the result holds a promise at ${where}`, 'Write await in front of it (or await Promise.all([...])).');
	if (value instanceof Map) {
		const keys = [...value.keys()];
		const plain = keys.every(k => typeof k === 'string' || typeof k === 'number');
		return plain ? Object.fromEntries(value) : [...value];
	}
	if (value instanceof Set)
		return [...value];
	if (util.types.isNativeError(value))
		return describeError(value);
	if (value instanceof RegExp)
		return String(value);
	if (ArrayBuffer.isView(value) && !(value instanceof DataView) && !Buffer.isBuffer(value))
		return Array.from(value);
	return value;
}

function circular() {
	return new ResultError('the result refers to itself (circular), which JSON cannot say',
		'Return the parts that you need instead of the whole object.');
}

function resultText(value) {
	if (value === undefined)
		return undefined;
	const seen = [];
	const text = stringify(value, function (key, converted) {
		/* Ancestors of this key are on the stack up to its holder; toJSON has run, the original is in the holder. */
		while (seen.length && seen[seen.length - 1].made !== this)
			seen.pop();
		const where = key === '' && seen.length === 0 ? 'its top' : stringify(seen.map(s => s.key).concat(key).slice(1).join('.'));
		const original = this[key];
		const special = typeof original === 'object' && original !== null && typeof original.toJSON !== 'function';
		const made = resultValue(special ? original : converted, where);
		if (typeof made === 'object' && made !== null) {
			if (seen.some(s => s.original === original))
				throw circular();
			seen.push({ key, original, made });
		}
		return made;
	});
	return text === undefined ? undefined : unmark(text);
}

/* ---------------------------------------------------------------- frames, descriptor 3 */

const input = { buffer: Buffer.allocUnsafeSlow(4 * PAYLOAD_MAX), fill: 0 };
const output = { buffer: Buffer.allocUnsafeSlow(PAYLOAD_MAX), fill: 0, scheduled: false };
const NOTHING = Buffer.alloc(0);
const calls = new Map(); /* stream -> { resolve, head, body, fill } */
let nextStream = 2;
let socket = null;

function putHeader(buffer, at, length, type, flags, channel, stream) {
	buffer[at] = length >>> 24;
	buffer[at + 1] = length >>> 16;
	buffer[at + 2] = length >>> 8;
	buffer[at + 3] = length;
	buffer[at + 4] = type;
	buffer[at + 5] = flags;
	buffer[at + 6] = channel >>> 8;
	buffer[at + 7] = channel;
	buffer[at + 8] = stream >>> 24;
	buffer[at + 9] = stream >>> 16;
	buffer[at + 10] = stream >>> 8;
	buffer[at + 11] = stream;
	buffer[at + 12] = buffer[at + 13] = buffer[at + 14] = buffer[at + 15] = 0;
}

/* A synchronous write is the cheapest way for small frames; what does not fit the socket goes through node's queue. */
function flush() {
	output.scheduled = false;
	const length = output.fill;
	if (length === 0)
		return;
	output.fill = 0;
	let written = 0;
	if (socket.writableLength === 0) {
		try {
			written = fs.writeSync(FD_FRAMES, output.buffer, 0, length);
		} catch (e) {
			if (e.code !== 'EAGAIN')
				lost();
		}
	}
	if (written < length)
		socket.write(Buffer.from(output.buffer.subarray(written, length)));
}

/* A frame that fits the output buffer waits there for flush(). */
function queueFrame(type, channel, stream, bytes, fin) {
	if (output.fill + HEADER + bytes.length > output.buffer.length)
		flush();
	putHeader(output.buffer, output.fill, bytes.length, type, fin ? FIN : 0, channel, stream);
	bytes.copy(output.buffer, output.fill + HEADER);
	output.fill += HEADER + bytes.length;
}

/*
 * One large buffer is kept for the next large body, as fresh pages cost more than what is written to them. Whoever takes
 * it has it alone until it is given back.
 */
const SPARE_MAX = 4 << 20;
let spare = null;

function takeBuffer(size) {
	const kept = spare;
	if (kept === null || kept.length < size)
		return Buffer.allocUnsafeSlow(size);
	spare = null;
	return kept;
}

function giveBack(buffer) {
	if (buffer.length <= SPARE_MAX && (spare === null || spare.length < buffer.length))
		spare = buffer;
}

/* The text of arguments as UTF-8, then send(bytes, written); written() when they have left. */
function encodeLarge(text, send) {
	const buffer = takeBuffer(text.length + (text.length >> 3));
	const { read, written } = encoder.encodeInto(text, buffer);
	if (read === text.length) {
		send(buffer.subarray(0, written), () => giveBack(buffer));
	} else { /* a script of many bytes a character */
		giveBack(buffer);
		send(Buffer.from(text, 'utf8'));
	}
}

/* Frames of any size: `first` (a head with its length) goes into the first one. The last one gets FIN. */
function sendLarge(type, channel, stream, first, bytes, fin, written) {
	flush();
	socket.cork();
	let at = 0, kind = type, lead = first;
	do {
		const part = bytes.subarray(at, at + PAYLOAD_MAX - lead.length);
		at += part.length;
		const header = Buffer.allocUnsafe(HEADER + lead.length);
		putHeader(header, 0, lead.length + part.length, kind, fin && at >= bytes.length ? FIN : 0, channel, stream);
		lead.copy(header, HEADER);
		socket.write(header);
		socket.write(part, at >= bytes.length ? written : undefined);
		kind = BODY;
		lead = NOTHING;
	} while (at < bytes.length);
	socket.uncork();
}

/* `head` is the encoded head with its two bytes of length. One write for a lone call, one for all calls of a turn. */
function sendCall(stream, head, text) {
	if (text.length > SMALL_CALL) {
		encodeLarge(text, (bytes, written) => sendLarge(OPEN, CHANNEL_MAIN, stream, head, bytes, true, written));
		return;
	}
	const buffer = output.buffer;
	if (output.fill + HEADER + head.length + 3 * text.length > buffer.length)
		flush();
	const at = output.fill;
	head.copy(buffer, at + HEADER);
	const length = head.length + buffer.write(text, at + HEADER + head.length);
	putHeader(buffer, at, length, OPEN, FIN, CHANNEL_MAIN, stream);
	output.fill = at + HEADER + length;
	if (calls.size <= 1) {
		flush();
	} else if (!output.scheduled) {
		output.scheduled = true;
		nextTick(flush);
	}
}

function sendReset(stream, reason) {
	queueFrame(RESET, CHANNEL_MAIN, stream, Buffer.from(stringify({ reason })), false);
	flush();
}

function settle(stream, call, text) {
	calls.delete(stream);
	call.text = text;
	call.resolve(call);
}

function takeHead(stream, call, fin, start, end) {
	const bytes = input.buffer;
	const body = start + 2 + bytes.readUInt16BE(start);
	const head = bytes.latin1Slice(start + 2, body);
	if (head !== '{"ok":true}')
		call.head = parse(bytes.utf8Slice(start + 2, body));
	if (fin)
		settle(stream, call, bytes.utf8Slice(body, end));
	else
		collect(call, body, end);
}

/* One more part of an answer that comes in several frames. */
function collect(call, start, end) {
	const fill = call.fill + end - start;
	if (call.body === null || call.body.length < fill) {
		const larger = takeBuffer(Math.max(2 * fill, 4 * PAYLOAD_MAX));
		if (call.body !== null) {
			call.body.copy(larger, 0, 0, call.fill);
			giveBack(call.body);
		}
		call.body = larger;
	}
	input.buffer.copy(call.body, call.fill, start, end);
	call.fill = fill;
}

function collected(call) {
	const text = call.body.utf8Slice(0, call.fill);
	giveBack(call.body);
	return text;
}

function callFrame(type, fin, stream, start, end) {
	const call = calls.get(stream);
	if (call === undefined)
		return;
	if (type === HEAD) {
		takeHead(stream, call, fin, start, end);
		return;
	}
	if (type === RESET) {
		let why = {};
		try {
			why = parse(input.buffer.utf8Slice(start, end));
		} catch (e) { /* the kind says enough */ }
		call.head = { ok: false, kind: 'internal', message: why.message || `the call was reset (${why.reason})` };
		settle(stream, call, '');
		return;
	}
	if (type === BODY)
		collect(call, start, end);
	if (fin)
		settle(stream, call, collected(call));
}

function runFrame(type, fin, channel, start, end) {
	let body = start;
	if (type === OPEN) {
		body = start + 2 + input.buffer.readUInt16BE(start);
		state.head = parse(input.buffer.utf8Slice(start + 2, body));
	} else if (type === RESET) {
		exitProcess(1);
	}
	if (type === OPEN || type === BODY)
		(channel === CHANNEL_DATA ? state.data : state.code).push(Buffer.from(input.buffer.subarray(body, end)));
	if (fin)
		nextTick(startRun);
}

function onRead(nread) {
	const bytes = input.buffer;
	const end = input.fill + nread;
	let at = 0;
	while (end - at >= HEADER) {
		const length = bytes.readUInt32BE(at);
		if (length > PAYLOAD_MAX)
			lost();
		const next = at + HEADER + length;
		if (next > end)
			break;
		const stream = bytes.readUInt32BE(at + 8);
		const fin = (bytes[at + 5] & FIN) !== 0;
		if (stream === RUN_STREAM)
			runFrame(bytes[at + 4], fin, bytes.readUInt16BE(at + 6), at + HEADER, next);
		else
			callFrame(bytes[at + 4], fin, stream, at + HEADER, next);
		at = next;
	}
	input.fill = end - at;
	if (input.fill > 0 && at > 0)
		bytes.copyWithin(0, at, end);
	return true;
}

function lost() {
	exitProcess(state.head === null ? 0 : 1);
}

function openSocket() {
	socket = new net.Socket({
		fd: FD_FRAMES, readable: true, writable: true,
		onread: { buffer: () => input.fill === 0 ? input.buffer : input.buffer.subarray(input.fill), callback: onRead },
	});
	socket.on('end', lost);
	socket.on('error', lost);
	socket.resume();
}

/* ---------------------------------------------------------------- tool calls */

class ToolError extends Error {
	constructor(fields) {
		super(fields.message);
		this.kind = fields.kind;
		this.server = fields.server;
		this.tool = fields.tool;
		this.fix = fields.fix;
		this.retryable = fields.retryable === true;
		Object.defineProperty(this, 'result', { value: fields.result, configurable: true, writable: true });
	}
}
Object.defineProperty(ToolError.prototype, 'name', { value: 'ToolError', configurable: true, writable: true });

const shimFrame = line => line.includes(__filename) || /\(?node:internal\//.test(line);
const cleanStack = stack => stack.split('\n').filter(line => !(/^\s+at /.test(line) && shimFrame(line))).join('\n');

function toolError(fields) {
	const error = new ToolError(fields);
	error.stack = cleanStack(error.stack);
	return error;
}

/* structuredContent first; else text, read as JSON only where it is an object or an array; else what there is. */
function valueOf(result) {
	if (result.structuredContent !== undefined && result.structuredContent !== null)
		return result.structuredContent;
	const content = Array.isArray(result.content) ? result.content : [];
	const texts = content.filter(item => item.type === 'text').map(item => item.text);
	if (texts.length === 0)
		return content.length > 1 ? content : content.length === 1 ? content[0] : null;
	if (texts.length > 1)
		return texts.join('\n');
	const text = texts[0];
	if (/^\s*[{[]/.test(text)) {
		try {
			return parseExact(text);
		} catch (e) { /* text that only begins like JSON */ }
	}
	return text;
}

function textOf(result) {
	const content = result && Array.isArray(result.content) ? result.content : [];
	return content.filter(item => item.type === 'text').map(item => item.text).join('\n');
}

function failure(target, head, result) {
	return toolError({
		kind: head.kind || 'internal', server: target.server, tool: target.tool, fix: head.fix, retryable: head.retryable,
		message: head.message || textOf(result) || `${target.server}.${target.tool} failed`, result,
	});
}

function checkArguments(target, args) {
	const bad = (message, fix) => toolError({ kind: 'invalid_arguments', server: target.server, tool: target.tool, message, fix });
	const call = `${target.server}.${target.tool}`;
	if (typeof args !== 'object' || args === null || Array.isArray(args))
		throw bad(`the arguments of ${call} are ${args === null ? 'null' : Array.isArray(args) ? 'an array' : `a ${typeof args}`}`,
			`Pass one object: ${call}({name: value}).`);
	let text;
	try {
		text = argumentsText(args);
	} catch (e) {
		throw bad(`the arguments of ${call} cannot be written as JSON: ${String(e && e.message).split('\n')[0]}`,
			'Pass plain data: objects, arrays, strings, numbers, booleans, null.');
	}
	if (text === undefined || text[0] !== '{')
		throw bad(`the arguments of ${call} are not an object in JSON`, `Pass one object: ${call}({name: value}).`);
	return text;
}

function encodeHead(target, options) {
	const head = { kind: 'call', server: target.server, tool: target.tool };
	const timeout = options && (options.timeout_ms || options.timeoutMs);
	if (timeout)
		head.timeout_ms = Math.ceil(Number(timeout));
	const json = Buffer.from(stringify(head));
	if (json.length > HEAD_MAX)
		throw toolError({ kind: 'not_found', server: target.server, tool: target.tool.slice(0, 200), message: 'the name of the tool is too long' });
	const encoded = Buffer.allocUnsafe(2 + json.length);
	encoded.writeUInt16BE(json.length, 0);
	json.copy(encoded, 2);
	return encoded;
}

function watchSignal(signal, stream, call) {
	const abort = () => {
		if (calls.get(stream) !== call)
			return;
		sendReset(stream, 'cancelled');
		call.head = { ok: false, kind: 'cancelled', message: 'the program cancelled the call' };
		settle(stream, call, '');
	};
	if (signal.aborted)
		abort();
	else
		signal.addEventListener('abort', abort, { once: true });
}

/* An async function on purpose: an error made in it carries the awaiting lines of the user's code. */
async function invoke(target, args, options, raw) {
	const text = args === undefined ? '{}' : checkArguments(target, args);
	const plain = options === undefined;
	const head = plain && target.encoded !== null ? target.encoded : encodeHead(target, options);
	if (plain)
		target.encoded = head;
	const stream = nextStream;
	nextStream += 2;
	const answer = await new Promise(resolve => {
		const call = { resolve, head: null, body: null, fill: 0, text: '' };
		calls.set(stream, call);
		sendCall(stream, head, text);
		if (!plain && options !== null && options.signal)
			watchSignal(options.signal, stream, call);
	});
	let result = null;
	if (answer.text !== '')
		result = parseExact(answer.text);
	const whole = raw || (!plain && options !== null && options.raw === true);
	/* Whoever wants the whole result gets that of a tool that failed, too. */
	if (answer.head !== null && answer.head.ok !== true && !(whole && answer.head.kind === 'tool_error' && result !== null))
		throw failure(target, answer.head, result);
	if (result === null || whole)
		return result;
	if (result.isError === true)
		throw failure(target, { kind: 'tool_error' }, result);
	return valueOf(result);
}

function makeTool(server, tool) {
	const target = { server, tool, encoded: null };
	const call = (args, options) => invoke(target, args, options, false);
	call.raw = (args, options) => invoke(target, args, options, true);
	Object.defineProperty(call, 'name', { value: tool });
	return call;
}

/* What the language itself asks of an object; none of it may become a tool call. */
const NOT_TOOLS = new Set(['then', 'toJSON', 'constructor', 'toString', 'valueOf', 'toLocaleString', 'hasOwnProperty',
	'isPrototypeOf', 'propertyIsEnumerable', '__proto__', 'inspect', 'asymmetricMatch', '$$typeof', 'nodeType']);

function makeNamespace(server) {
	const label = `[tools of ${server}]`;
	const target = Object.create(null, {
		[Symbol.toStringTag]: { value: 'Tools' },
		[inspect.custom]: { value: () => label },
		toString: { value: () => label },
	});
	return new Proxy(target, {
		get(made, name) {
			const own = made[name];
			if (own !== undefined || typeof name === 'symbol' || NOT_TOOLS.has(name))
				return own;
			const tool = makeTool(server, name);
			Object.defineProperty(made, name, { value: tool, configurable: true, writable: true });
			return tool;
		},
	});
}

/* ---------------------------------------------------------------- names */

const spaces = new Map(); /* server name -> its namespace */
let servers = []; /* [{name, id}] of the run's head */

function serverOf(name) {
	const found = servers.find(s => s.name === name) || servers.find(s => s.id === name);
	return found ? found.name : name;
}

function namespaceOf(name) {
	const server = serverOf(name);
	let space = spaces.get(server);
	if (space === undefined)
		spaces.set(server, space = makeNamespace(server));
	return space;
}

/* "mcp__server__tool" and "server.tool" -> [server, tool]; a server's name may hold the separator itself. */
function splitName(full) {
	const spelled = /^mcp__/.test(full);
	const rest = spelled ? full.slice(5) : full;
	const mark = spelled ? '__' : '.';
	let best = null;
	for (const { name, id } of servers)
		for (const prefix of [name, id])
			if (rest.startsWith(prefix + mark) && (best === null || prefix.length > best.prefix.length))
				best = { name, prefix };
	if (best !== null)
		return [best.name, rest.slice(best.prefix.length + mark.length)];
	const at = rest.indexOf(mark);
	return at > 0 ? [rest.slice(0, at), rest.slice(at + mark.length)] : ['', rest];
}

/* call_tool("server", "tool", args), call_tool("mcp__server__tool", args), call_tool("server.tool", args). */
function callTool(first, second, third, fourth) {
	if (typeof second === 'string') {
		const [server, tool] = second.startsWith('mcp__') ? splitName(second) : [serverOf(String(first)), second];
		return namespaceOf(server)[tool](third, fourth);
	}
	const [server, tool] = splitName(String(first));
	return makeTool(server, tool)(second, third);
}
callTool.raw = (first, second, third) => typeof second === 'string'
	? callTool(first, second, third, { raw: true }) : callTool(first, second, { raw: true });

/* The answer of search_tools: {meta, results}, and beside it readable as the list that other projects' samples expect. */
function asList(answer) {
	const list = answer && Array.isArray(answer.results) ? answer.results : [];
	if (typeof answer !== 'object' || answer === null)
		return answer;
	const hidden = { length: { value: list.length }, [Symbol.iterator]: { value: () => list[Symbol.iterator]() } };
	for (const name of ['map', 'filter', 'find', 'forEach', 'slice', 'some', 'every', 'reduce', 'flatMap'])
		hidden[name] = { value: list[name].bind(list) };
	list.forEach((item, i) => { hidden[i] = { value: item }; });
	return Object.defineProperties(answer, hidden);
}

async function searchTools(query = '', detail, limit, offset) {
	let args = { query };
	if (typeof query === 'object' && query !== null)
		args = { ...query };
	else if (typeof detail === 'number')
		args.limit = detail;
	else if (typeof detail === 'object' && detail !== null)
		Object.assign(args, detail);
	else if (detail !== undefined)
		args.detail_level = detail;
	if (args.limit === undefined && limit !== undefined)
		args.limit = limit;
	if (offset !== undefined)
		args.offset = offset;
	return asList(await namespaceOf('hawser').search_tools(args));
}

const spell = tool => ({ ...tool, name: `mcp__${tool.server}__${tool.name}`, parameters: tool.input_schema, inputSchema: tool.input_schema,
	outputSchema: tool.output_schema });

async function discoverTools(options) {
	const words = Array.isArray(options) ? options : options && options.search;
	const query = Array.isArray(words) ? words.join(' ') : words || '';
	return (await searchTools({ query, detail_level: 'full' })).results.map(spell);
}

async function toolSchema(name, second) {
	const [server, tool] = second === undefined ? splitName(String(name)) : [serverOf(name), second];
	const same = item => item.name === tool && (server === '' || item.server === server);
	let found = (await searchTools({ query: tool, detail_level: 'full' })).results.find(same);
	if (found === undefined)
		found = (await searchTools({ query: '', detail_level: 'full' })).results.find(same);
	return found === undefined ? null : spell(found);
}

function progress(value, total, message) {
	let record = typeof value === 'object' && value !== null ? { ...value } : { progress: value, total, message };
	if (typeof value === 'string')
		record = { progress: 0, message: value };
	if (typeof total === 'string')
		record = { progress: value, message: total };
	record.progress = Number(record.progress) || 0;
	if (record.message !== undefined)
		record.message = String(record.message).slice(0, HEAD_MAX / 4);
	const text = Buffer.from(stringify(record));
	if (state.finished || text.length > HEAD_MAX)
		return;
	queueFrame(BODY, CHANNEL_PROGRESS, RUN_STREAM, text, false);
	flush();
}

/* tools.server.tool(...) and tools.mcp__server__tool(...) */
const tools = new Proxy(Object.create(null), {
	get(made, name) {
		if (typeof name === 'symbol' || NOT_TOOLS.has(name))
			return undefined;
		return name.startsWith('mcp__') ? makeTool(...splitName(name)) : namespaceOf(name);
	},
});

/* Spellings of earlier projects; accepted, not advertised. A server of the same name wins. */
const ALIASES = {
	callTool, callMCPTool: callTool, call_mcp_tool: callTool,
	searchTools: async (query, limit = 10) => (await searchTools(query, limit)).results.map(spell),
	discoverMCPTools: discoverTools, discover_mcp_tools: discoverTools, discoverTools,
	getToolSchema: toolSchema, get_tool_schema: toolSchema, tools,
};

/* Never in place of something that is there already. */
function define(name, value) {
	if (name in globalThis)
		return;
	Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

function installNames(head, source, log) {
	servers = (Array.isArray(head.namespaces) ? head.namespaces : []).map(s => ({ name: String(s.name), id: String(s.id || s.name) }));
	const core = {
		ToolError, call_tool: callTool, search_tools: searchTools, log, progress,
		budget: () => namespaceOf('hawser').budget(), __tool_namespaces: servers.map(s => s.name),
	};
	for (const [name, value] of Object.entries(core))
		define(name, value);
	if (state.data.length > 0)
		define('data', parseExact(Buffer.concat(state.data).toString()));
	state.data = [];
	for (const { name, id } of servers) {
		define(id, namespaceOf(name));
		define(name, namespaceOf(name));
	}
	for (const [name, value] of Object.entries(ALIASES))
		define(name, value);
	for (const { id } of servers)
		define(`mcp_${id}`, namespaceOf(id));
	for (const full of new Set(source.match(/\bmcp__[A-Za-z0-9_$]+/g)))
		define(full, makeTool(...splitName(full)));
	define('require', Module.createRequire(state.file));
	define('__filename', state.file);
	define('__dirname', path.dirname(state.file));
}

/* ---------------------------------------------------------------- compiling */

const PREFIX = '(async()=>{';
const BRACES_MAX = 1000;

class CompileError {
	constructor(message, line, column, fix, kind = 'syntax') {
		Object.assign(this, { message, line, column, fix, kind });
	}
}

/* import() with the rules of a module that stands in the run's directory: node's own loader, asked through a file of it. */
function makeImport(file) {
	const helper = new Module(file, null);
	helper.filename = file;
	helper.paths = Module._nodeModulePaths(path.dirname(file));
	helper._compile('module.exports = (name, options) => options ? import(name, options) : import(name)', file);
	return helper.exports;
}

function importFrom(specifier, referrer, attributes) {
	if (state.importHelper === null)
		state.importHelper = makeImport(state.file);
	if (!attributes || Object.keys(attributes).length === 0)
		return state.importHelper(specifier);
	const [major, minor] = process.versions.node.split('.').map(Number);
	const word = major > 20 || (major === 20 && minor >= 10) ? 'with' : 'assert';
	return state.importHelper(specifier, { [word]: { ...attributes } });
}

const scriptOf = (text, file) => new vm.Script(text, { filename: file, columnOffset: -PREFIX.length, importModuleDynamically: importFrom });

function compiles(text) {
	try {
		scriptOf(text, 'try.js');
		return true;
	} catch (e) {
		return false;
	}
}

/* V8 counts these as line ends, so we do. */
const lineEnds = /\r\n|[\n\r\u2028\u2029]/g;

function positionAt(body, index) {
	const before = body.slice(0, index).split(lineEnds);
	return { line: before.length, column: before[before.length - 1].length + 1 };
}

/* The first brace that closes our frame, looked for up to `until`. */
function closingBrace(body, until) {
	let tried = 0;
	for (let at = body.indexOf('}'); at !== -1 && tried < BRACES_MAX; at = body.indexOf('}', at + 1), tried++) {
		const here = positionAt(body, at);
		if (until && (here.line > until.line || (here.line === until.line && here.column > until.column)))
			return null;
		if (compiles(`${PREFIX}${body.slice(0, at + 1)}\n)`))
			return here;
	}
	return null;
}

/* Line and caret as V8 printed them over the message. */
function printedPosition(stack, file) {
	const lines = String(stack).split('\n');
	const at = lines[0].startsWith(`${file}:`) ? Number(lines[0].slice(file.length + 1)) : 0;
	const caret = lines.slice(1, 4).findIndex(line => /^\s*\^+\s*$/.test(line));
	if (!at)
		return null;
	return { line: at, column: caret === -1 ? 1 : lines[caret + 1].indexOf('^') + 1 };
}

function syntaxError(body, file) {
	let thrown = null;
	try {
		scriptOf(`${PREFIX}${body}\n})`, file);
	} catch (e) {
		thrown = e;
	}
	const end = positionAt(body, body.length);
	let at = thrown === null ? null : printedPosition(thrown.stack, file);
	if (at !== null && at.line === 1)
		at.column = Math.max(1, at.column - PREFIX.length);
	const brace = closingBrace(body, at);
	if (brace !== null)
		return new CompileError('unexpected }', brace.line, brace.column, 'This } has no { of its own: remove it, or add the { that it should close.');
	if (thrown === null)
		return new CompileError('unexpected end of the frame', end.line, end.column);
	if (at === null || at.line > end.line) {
		const ours = /Unexpected token '[)}]'|missing \) after/.test(thrown.message);
		return new CompileError(ours ? 'Unexpected end of input' : thrown.message, end.line, end.column);
	}
	return new CompileError(thrown.message, at.line, at.column);
}

const LOOKS_LIKE_MODULE = /^[ \t]*(?:import[ \t]*(?:[\w$*{"'])|export[ \t]*(?:[{*]|default\b|const\b|let\b|var\b|function\b|class\b|async\b))/m;

/* A module's SyntaxError has no position of its own; `node --check`, which only parses, prints one. */
function moduleError(body, thrown) {
	const flags = ['--input-type=module', '--check', '-'];
	const { stderr } = require('child_process').spawnSync(process.execPath, flags, { input: body, timeout: 3000, env: {} });
	const at = printedPosition(stderr, '[stdin]');
	const illegal = /Illegal return/.test(thrown.message);
	return new CompileError(thrown.message, at ? at.line : 1, at ? at.column : 1,
		illegal ? 'A program with import or export is a module: give its result with `export default value`, or use `await import(...)`.' : undefined);
}

async function linkModule(specifier, referencing, extra) {
	const names = await importFrom(specifier, null, extra && (extra.attributes || extra.assert));
	return new vm.SyntheticModule(Object.keys(names), function () {
		for (const name of Object.keys(names))
			this.setExport(name, names[name]);
	}, { identifier: specifier });
}

function moduleOf(body, file) {
	return new vm.SourceTextModule(body, {
		identifier: file, importModuleDynamically: importFrom,
		initializeImportMeta(meta) {
			meta.url = url.pathToFileURL(state.file).href;
			meta.filename = state.file;
			meta.dirname = path.dirname(state.file);
		},
	});
}

async function runModule(made) {
	await made.link(linkModule);
	await made.evaluate();
	return made.namespace.default;
}

/* -> function that runs the program and promises its value; throws CompileError. */
function compileBody(body, file) {
	let isBody = true;
	try {
		new AsyncFunction(body);
	} catch (e) {
		isBody = false;
	}
	if (isBody) {
		let script = null;
		try {
			script = scriptOf(`${PREFIX}${body}\n})`, file);
		} catch (e) {
			throw syntaxError(body, file);
		}
		return () => script.runInThisContext()();
	}
	let made = null;
	try {
		made = moduleOf(body, file);
	} catch (e) {
		throw LOOKS_LIKE_MODULE.test(body) ? moduleError(body, e) : syntaxError(body, file);
	}
	return () => runModule(made);
}

const DECORATORS = ['decorators are not supported', 'Call the decorator as a function: const A = decorate(class { ... }).'];

/* TypeScript: places in errors are those of the text that came in, also where its JavaScript has other ones. */
function compileTypeScript(body, file) {
	const { StripError, strip, mapStacks } = require('./typescript.cjs');
	const made = strip(body, PREFIX);
	if (made instanceof StripError && made.kind === 'decorator')
		throw new CompileError(DECORATORS[0], made.line, made.column, DECORATORS[1]);
	if (made instanceof StripError)
		throw new CompileError(made.message, made.line, made.column, made.fix, made.kind);
	if (made.locate)
		mapStacks(file, made.locate);
	try {
		return compileBody(made.code, file);
	} catch (e) {
		if (!(e instanceof CompileError))
			throw e;
		if (made.locate)
			Object.assign(e, made.locate(e.line, e.column));
		if ((body.split(lineEnds)[e.line - 1] || '')[e.column - 1] === '@')
			[e.message, e.fix] = DECORATORS;
		throw e;
	}
}

function compile(source, file) {
	const body = source.replace(/^\ufeff/, '').replace(/^#!.*/, line => ' '.repeat(line.length));
	return state.head !== null && state.head.language === 'typescript' ? compileTypeScript(body, file) : compileBody(body, file);
}

/* ---------------------------------------------------------------- the end of a run */

function textField(read, max) {
	let text;
	try {
		text = read();
		text = text === undefined || text === null ? undefined : String(text);
	} catch (e) {
		text = '(could not be read)';
	}
	return text !== undefined && text.length > max ? `${text.slice(0, max)} ...` : text;
}

/* The innermost line of the user's own file; else the innermost that is not node's or ours. */
function stackPosition(stack, file) {
	let other = null;
	for (const line of String(stack).split('\n')) {
		const m = /^\s+at (?:.*\()?(.*?):(\d+):(\d+)\)?$/.exec(line);
		if (!m || shimFrame(line) || m[1].startsWith('node:'))
			continue;
		const place = { file: m[1].replace(/^async /, ''), line: Number(m[2]), column: Number(m[3]) };
		if (place.file === file)
			return place;
		other = other || place;
	}
	return other || {};
}

const NO_NETWORK = 'There is no network in here; what is outside is reached by tools: search_tools("words") finds them.';

function hint(name, message) {
	const missing = name === 'ReferenceError' && /^([\w$]+) is not defined$/.exec(message || '');
	if (missing && missing[1] === 'data')
		return 'This run was given no data: execute_code has an argument data, hawser run has --data and --text.';
	if (missing)
		return `No such name. Servers here: ${servers.map(s => s.id).join(', ') || 'none'}; search_tools("words") finds tools.`;
	if (name !== 'ToolError' && /^fetch failed$|\b(EAI_AGAIN|ENOTFOUND|ENETUNREACH)\b/.test(message || ''))
		return NO_NETWORK;
	return undefined;
}

function describeThrown(thrown) {
	const file = state.head.file;
	if (thrown instanceof CompileError) {
		const { message, line, column, fix, kind } = thrown;
		const name = kind === 'syntax' ? 'SyntaxError' : 'Error';
		return { kind, name, message, stack: `${name}: ${message}\n    at ${file}:${line}:${column}`, file, line, column, fix };
	}
	const isObject = (typeof thrown === 'object' && thrown !== null) || typeof thrown === 'function';
	if (!isObject || !(util.types.isNativeError(thrown) || thrown instanceof Error)) {
		const message = typeof thrown === 'string' ? thrown : `a thrown value: ${textField(() => inspect(thrown), 2000)}`;
		return { kind: 'exception', name: 'Error', message: textField(() => message, 2000), fix: 'Throw an Error object: it knows its line.' };
	}
	const stack = textField(() => cleanStack(thrown.cause !== undefined || thrown.errors !== undefined ? inspect(thrown) : thrown.stack), 4000);
	const name = textField(() => thrown.name, 200) || 'Error';
	const message = textField(() => thrown.message, 2000);
	const kind = thrown instanceof ToolError ? thrown.kind : thrown instanceof ResultError ? 'result' : 'exception';
	const fix = textField(() => typeof thrown.fix === 'string' ? thrown.fix : hint(name, message), 1000);
	return { kind, name, message, stack, ...stackPosition(stack, file), fix };
}

/* Ends the process once the socket has taken everything. Output of process.stdout is blocking, so it is out already. */
function end(tail, status) {
	if (process.listenerCount('exit') > 1)
		tail.wait = true; // the user's handlers besides our own
	const leave = () => exitProcess(status === 0 ? undefined : status);
	queueFrame(TAIL, CHANNEL_MAIN, RUN_STREAM, Buffer.from(stringify(tail)), true);
	flush();
	if (socket.writableLength === 0)
		leave();
	else
		socket.write('', leave);
}

function fitTail(error) {
	for (let tries = 0; tries < 8 && Buffer.byteLength(stringify({ error })) > HEAD_MAX; tries++) {
		error.stack = error.stack && error.stack.slice(0, error.stack.length / 2);
		error.message = error.message.slice(0, error.message.length * 3 / 4);
		error.fix = error.fix && error.fix.slice(0, 300);
	}
	return { error };
}

function fail(thrown) {
	if (state.finished)
		return;
	state.finished = true;
	end(fitTail(describeThrown(thrown)), 1);
}

function encodeResult(value) {
	let text;
	try {
		text = resultText(value);
	} catch (e) {
		if (e instanceof ResultError)
			throw e;
		if (e instanceof TypeError && /circular/.test(e.message))
			throw circular();
		throw new ResultError(`the result cannot be written as JSON: ${e && e.message}`, 'Return plain data, or less of it.');
	}
	if (text === undefined)
		return null;
	const bytes = Buffer.from(text, 'utf8');
	const limit = state.head.limits && state.head.limits.result;
	if (limit && bytes.length > limit)
		throw new ResultError(`the result is ${bytes.length} bytes of JSON, the limit is ${limit}`,
			'Return less (filter, count, slice), or print parts of it.');
	return bytes;
}

/* One turn later than the main function, so that a promise that is already rejected with nobody waiting is heard. */
function succeed(value) {
	later(() => {
		if (state.finished)
			return;
		let bytes;
		try {
			bytes = encodeResult(value);
		} catch (e) {
			fail(e);
			return;
		}
		state.finished = true;
		if (calls.size > 0)
			logRecord(LEVELS.warn, `${calls.size} tool call${calls.size > 1 ? 's were' : ' was'} still open when the program returned: write await in front`);
		if (bytes !== null && bytes.length <= SMALL_RESULT)
			queueFrame(BODY, CHANNEL_RESULT, RUN_STREAM, bytes, false);
		else if (bytes !== null)
			sendLarge(BODY, CHANNEL_RESULT, RUN_STREAM, NOTHING, bytes, false);
		end({}, 0);
	});
}

async function startRun() {
	const source = Buffer.concat(state.code).toString();
	const head = state.head;
	head.file = head.file || (head.language === 'typescript' ? 'main.ts' : 'main.js');
	state.file = path.join(process.cwd(), head.file);
	state.code = [];
	try {
		const main = compile(source, head.file);
		installNames(head, source, state.log);
		succeed(await main());
	} catch (e) {
		fail(e);
	}
}

/* User code that listens itself decides itself, as in any node program. */
function watchErrors() {
	process.on('uncaughtException', (error, origin) => {
		if (origin !== 'unhandledRejection' && process.listenerCount('uncaughtException') === 1)
			fail(error);
	});
	process.on('unhandledRejection', reason => {
		if (process.listenerCount('unhandledRejection') === 1)
			fail(reason);
	});
	process.on('exit', flush);
}

/* "VM Modules is an experimental feature" is said once a process: let it be said while nobody listens. What user code
 * causes later becomes a log record, where node would have printed it. */
function catchWarnings() {
	const wanted = process.listenerCount('warning') > 0;
	process.removeAllListeners('warning');
	new vm.SourceTextModule('');
	if (wanted)
		nextTick(() => process.on('warning', warning => logRecord(LEVELS.warn, `${warning.name}: ${warning.message}`)));
}

/* A child of user code must not get our flags, nor lose output that a later endless loop would keep in a queue. */
function tidyProcess() {
	process.execArgv.length = 0;
	process.argv.splice(1);
	for (const stream of [process.stdout, process.stderr])
		if (stream._handle && stream._handle.setBlocking)
			stream._handle.setBlocking(true);
	Error.stackTraceLimit = 30;
}

/* Programs that user code starts keep the lobby, which the `tool` command needs; node marks it close-on-exec. Node has
 * no other way in than its bindings; where they change, children merely lose the lobby. */
function keepLobby() {
	const withLobby = options => {
		const stdio = Array.isArray(options.stdio) ? options.stdio.slice() : null;
		if (stdio === null || stdio.length > FD_LOBBY)
			return options;
		while (stdio.length < FD_LOBBY)
			stdio.push({ type: 'ignore' });
		stdio.push({ type: 'fd', fd: FD_LOBBY });
		return { ...options, stdio };
	};
	try {
		fs.fstatSync(FD_LOBBY);
		const { prototype } = process.binding('process_wrap').Process;
		const sync = process.binding('spawn_sync');
		const plain = prototype.spawn, plainSync = sync.spawn;
		prototype.spawn = function (options) {
			return plain.call(this, withLobby(options));
		};
		sync.spawn = options => {
			const result = plainSync(withLobby(options));
			if (result.output)
				result.output.length = Math.min(result.output.length, options.stdio.length);
			return result;
		};
	} catch (e) { /* as said */ }
}

/* While parked: what every run does, once, so that the first real time is not the first time. */
function warmUp() {
	if (state.head !== null)
		return;
	try {
		const file = path.join(process.cwd(), 'warm.js');
		makeImport(file);
		Module.createRequire(file);
		compile('return 1', 'warm.js')();
		makeNamespace('warm').tool;
		splitName('mcp__warm__tool');
		parseExact('{"content":[{"type":"text","text":"{}"}]}');
		resultText({ warm: [1, 'text', null, { deep: true }] });
		stackPosition(cleanStack(new Error('warm').stack), file);
	} catch (e) { /* the run itself will say it better */ }
}

catchWarnings();
keepLobby();
tidyProcess();
watchErrors();
state.log = installConsole();
openSocket();
setTimeout(warmUp, 1);
