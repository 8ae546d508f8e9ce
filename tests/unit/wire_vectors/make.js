#!/usr/bin/env node
// make.js: what JavaScript prints, as data for test_wire_emit. Run it here
// with node to make the files anew; the tests themselves need no node.
'use strict';
const fs = require('fs');
const path = require('path');

let seed = 0x9e3779b97f4a7c15n;
function random64() {			// xorshift64*, the same every time
	seed ^= seed >> 12n;
	seed = BigInt.asUintN(64, seed ^ (seed << 25n));
	seed ^= seed >> 27n;
	return BigInt.asUintN(64, seed * 2685821657736338717n);
}
const below = (n) => Number(random64() % BigInt(n));
const view = new DataView(new ArrayBuffer(8));
function bits(d) {
	view.setFloat64(0, d);
	return view.getBigUint64(0).toString(16).padStart(16, '0');
}
function double(u) {
	view.setBigUint64(0, BigInt.asUintN(64, u));
	return view.getFloat64(0);
}
function write(name, lines) {
	fs.writeFileSync(path.join(__dirname, name), lines.join('\n') + '\n');
}

// numbers: the bits of a double, its text
const numbers = new Set([0, -0, 1, -1, 0.5, 1e21, 1e-6, 1e-7, 123456789012,
	Number.MAX_VALUE, Number.MIN_VALUE, Number.MAX_SAFE_INTEGER, 2 ** 53 + 2,
	0.1 + 0.2, 1 / 3, 100, 1e20, 123e18, 1.5e300, -1e-10, 5e-324]);
for (let e = -1074; e < 1024; e += e < -1000 || e > 1000 ? 1 : 3)
	numbers.add(2 ** e);
for (let e = -44; e < 75; e++)
	numbers.add(2 ** e).add(-(2 ** e) * 3);
for (let e = -30; e < 30; e++)
	for (let step = -1n; step <= 1n; step++)
		numbers.add(double(BigInt('0x' + bits(Number('1e' + e))) + step));
for (let i = 0; i < 700; i++) {
	const d = double(random64());
	if (Number.isFinite(d))
		numbers.add(d);
	numbers.add(below(1e6) / 10 ** below(9));
}
for (let i = 0; i < 100; i++)
	numbers.add(double(random64() >> 12n));	// subnormal
write('numbers', [...numbers].map((d) => bits(d) + ' ' + JSON.stringify(d)));

// strings: their UTF-8 in hex, their JSON
const strings = ['', 'plain', '"\\/', '\u2028\u2029', '\u{1f600}', '\ufeff',
	'\uffff', '\u{10ffff}', '\x7f\x80\x9f', 'a'.repeat(100)];
for (let c = 0; c < 0x100; c++)
	strings.push(String.fromCharCode(c), 'x'.repeat(c % 19) +
	    String.fromCharCode(c) + 'yz');
const pool = ['"', '\\', '\n', '\t', '\x00', '\x1f', 'a', ' ', '\u00e9',
	'\u20ac', '\u{1f600}', '\u2028', '\u007f', 'longer plain run'];
for (let i = 0; i < 200; i++) {
	let s = '';
	for (let n = below(12); n > 0; n--)
		s += pool[below(pool.length)];
	strings.push(s);
}
write('strings', strings.map((s) =>
	Buffer.from(s).toString('hex') + ' ' + JSON.stringify(s)));

// canon: an object's JSON, a tab, its canonical JSON
function canon(v) {
	if (Array.isArray(v))
		return '[' + v.map(canon).join(',') + ']';
	if (v === null || typeof v !== 'object')
		return JSON.stringify(v);
	return '{' + Object.keys(v).sort().map((k) =>
	    JSON.stringify(k) + ':' + canon(v[k])).join(',') + '}';
}
const texts = ['{}', '{"b":1,"a":2}', ' { "b" : [ 1 , 2 ] , "a" : { } } ',
	'{"\\u20ac":1,"\\r":2,"1":3,"\\ud83d\\ude00":4,"\\ufb33":5,"\\u0080":6}',
	'{"10":1,"9":2,"1":3,"":4,"a":5,"aa":6,"A":7,"_":8}',
	'{"\\uffff":1,"\\ue000":2,"\\ud7ff":3,"\\ud800\\udc00":4,"\\udbff\\udfff":5}',
	'{"a\\ud83d\\ude00":1,"a\\ufffd":2,"a":3,"a\\u0001":4}',
	'{"n":[1.0,-0,1e2,1E-7,123456789012345680000,1e21,0.10,1.50e1]}',
	'{"s":"\\/\\u0041\\u00e9\\u2028\\"\\\\\\u001f\\u007f"}',
	'{"z":{"y":{"x":{"c":null,"b":true,"a":false}}},"l":[[[{"b":1,"a":2}]]]}',
	'{"from":"@a","to":"@b","task":"a|b","amount":10.50,"expires":null}'];
for (let i = 0; i < 60; i++) {
	const o = {};
	for (let n = below(9); n > 0; n--) {
		let k = '';
		for (let m = below(4); m >= 0; m--)
			k += ['a', 'b', '\ue000', '\u{10000}', '\u00e9', '\u07ff',
			    '\uffee', '\ud7ff'][below(8)];
		o[k] = below(2) ? below(1000) / 8 : { [k]: k, a: [k] };
	}
	texts.push(JSON.stringify(o));
}
write('canon', texts.map((t) => t + '\t' + canon(JSON.parse(t))));
