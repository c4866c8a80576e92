// get.js -- Node's https as a client of the tests: one page as it comes, then one for each cipher suite named.
// Prints "offered chosen" a line, in IANA's names; chosen is "-" when this Node does not know the suite.
// Usage: node get.js ADDRESS PORT NAME CA-FILE [IANA-SUITE=OPENSSL-NAME...]
const https = require('https'), tls = require('tls'), fs = require('fs');
const [host, port, name, ca, ...suites] = process.argv.slice(2);
const known = tls.getCiphers();

function get(ciphers) {
	return new Promise((done, failed) => {
		const options = {host, port, servername: name, ca: fs.readFileSync(ca), headers: {Host: name},
			agent: false, timeout: 10000};
		if (ciphers)
			Object.assign(options, {ciphers, maxVersion: 'TLSv1.2'});
		const request = https.get('https://' + name + '/', options, (reply) => {
			let page = '';
			const chosen = reply.socket.getCipher().standardName;
			reply.on('data', (piece) => { page += piece; });
			reply.on('end', () => page.startsWith('hello from web server') ? done(chosen)
				: failed(new Error('not the page: ' + page)));
		});
		request.on('error', failed);
		request.on('timeout', () => request.destroy(new Error('no answer')));
	});
}

(async () => {
	console.log('any', await get());
	for (const suite of suites) {
		const [iana, openssl] = suite.split('=');
		console.log(iana, known.includes(openssl.toLowerCase()) ? await get(openssl) : '-');
	}
})().catch((e) => { console.error(e.message); process.exit(1); });
