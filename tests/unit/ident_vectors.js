// Makes ident_vectors.h: what another implementation (Node's crypto) says of
// keys made from fixed seeds.  node ident_vectors.js >ident_vectors.h
const crypto = require('crypto');

const texts = ['', 'hello', '{"to":"#general","content":"a \\"b\\" \\\\ \\n"}',
  'AGENTCHAT_AUTH|n|c|1706889600000', '\u2028 \u{1f600} \u0001 é',
  'x'.repeat(1000)];
const sha = (t) => crypto.createHash('sha256').update(t).digest();
const c = (t) => '"' + [...Buffer.from(t)].map((b) =>
  b === 10 ? '\\n' : b === 34 || b === 92 ? '\\' + String.fromCharCode(b) :
    b < 32 || b > 126 ? '\\' + b.toString(8).padStart(3, '0') :
      String.fromCharCode(b)).join('') + '"';

console.log(`/*
 * ident_vectors.h - made by ident_vectors.js; not edited by hand.
 */
static const struct vector {
	const char *seed, *pub, *priv_pem, *pem, *id, *text, *sig;
} vectors[] = {`);
texts.forEach((text, i) => {
  const seed = sha('agentchat vector ' + i);
  const priv = crypto.createPrivateKey({ format: 'der', type: 'pkcs8',
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420',
      'hex'), seed]) });
  const pub = crypto.createPublicKey(priv);
  const pem = pub.export({ type: 'spki', format: 'pem' });
  const raw = pub.export({ type: 'spki', format: 'der' }).subarray(-32);
  const row = [seed.toString('base64'), raw.toString('base64'),
    priv.export({ type: 'pkcs8', format: 'pem' }), pem,
    sha(pem).toString('hex').slice(0, 16), text,
    crypto.sign(null, Buffer.from(text), priv).toString('base64')];
  console.log('\t{ ' + row.map(c).join(',\n\t  ') + ' },');
});
console.log('};');
