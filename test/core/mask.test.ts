import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Mask } from '../../src/core/mask.ts';

const one = '<masked 1>';

describe('a mask', () => {
  const table: [string, string][] = [
    ['password = hunter2', `password = ${one}`],
    ['password=hunter two # and a comment', `password=${one}`],
    ['dbPassword: "hun\\"ter2", user: "x"', `dbPassword: "${one}", user: "x"`],
    ["'api_key' => 'hunter2';", `'api_key' => '${one}';`],
    ['{"user":"me","token":"hunter2","port":25}', `{"user":"me","token":"${one}","port":25}`],
    ['password = "hunter2', `password = "${one}`],
    ['  bindpw hunter2', `  bindpw ${one}`],
    ['machine a login b password hunter2', `machine a login b password ${one}`],
    ['#password = hunter2', `#password = ${one}`],
    ['ldap://cn=admin:hunter2@ldap.example/dc=x', `ldap://cn=admin:${one}@ldap.example/dc=x`],
    ['jdbc:postgresql://bm:hunt@er2@db:5432/bj', `jdbc:postgresql://bm:${one}@db:5432/bj`],
    ['redis://:hunter2@cache', `redis://:${one}@cache`],
    ['<secret kind="a">hunter2</secret>', `<secret kind="a">${one}</secret>`],
    ['root:$6$salt$hunter2:19000:0', `root:${one}:19000:0`],
    ['userPassword: {SSHA}hunter2', `userPassword: ${one}`],
    ['myhostname = mail.example', 'myhostname = mail.example'],
    ['ssl_certificate /etc/ssl/certs/a.pem;', 'ssl_certificate /etc/ssl/certs/a.pem;'],
    ['https://mail.example:8443/path', 'https://mail.example:8443/path'],
    ['# nothing to see', '# nothing to see'],
  ];
  for (const [before, after] of table)
    it(`of ${before}`, () => assert.equal(new Mask().text('/etc/x.conf', before), after));

  it('hides the body of a private key, and says where it begins and ends', () => {
    const pem =
      'a = b\n-----BEGIN RSA PRIVATE KEY-----\nMIIhunter2\nAAAA\n-----END RSA PRIVATE KEY-----\nc = d\n';
    assert.equal(
      new Mask().text('/etc/x.pem', pem),
      'a = b\n<masked 1>\n<masked 2>\n<masked 3>\n-----END RSA PRIVATE KEY-----\nc = d\n',
    );
    assert.equal(new Mask().text('/x', 'cert: "-----BEGIN PRIVATE KEY-----\nMII').includes('MII'), false);
    const inOneLine = '"k": "-----BEGIN PRIVATE KEY-----\\nMIIhunter2\\n-----END PRIVATE KEY-----"';
    assert.doesNotMatch(new Mask().text('/x', inOneLine), /hunter2/);
  });

  it('hides what stands deeper below a key, as in YAML', () => {
    const yaml = 'a:\n  password: |\n    hunter2\n    more\n  host: mail\n';
    assert.equal(
      new Mask().text('/etc/a.yml', yaml),
      'a:\n  password: |\n    <masked 1>\n    <masked 2>\n  host: mail\n',
    );
  });

  it('hides each line of a file whose name says that it holds secrets', () => {
    assert.equal(
      new Mask().text('/etc/postfix/sasl_passwd', '[smtp]:587 me:hunter2\n'),
      '[smtp]:<masked 1>\n',
    );
    assert.equal(new Mask().text('/etc/bm/bm-core.tok.secret', 'hunter2\n'), '<masked 1>\n');
  });

  it('gives the same secret the same number, another one another', () => {
    const mask = new Mask();
    assert.equal(
      mask.text('/x', 'password=a\ntoken=b\nsecret=a'),
      `password=${one}\ntoken=<masked 2>\nsecret=${one}`,
    );
    assert.equal(mask.text('/x', 'password=b'), 'password=<masked 2>');
  });

  it('keeps the number of lines, and lets no value through, whatever it is', () => {
    const value = fc.stringMatching(/^[A-Z0-9%&@#;,.<>|/ -]{1,20}$/).filter((text) => text.trim() !== '');
    const key = fc.constantFrom('password', 'DB_PASS_WORD_password', 'client.secret', 'apiKey', 'auth-token');
    const separator = fc.constantFrom('=', ' = ', ': ', ':', ' => ');
    fc.assert(
      fc.property(key, separator, value, (name, between, secret) => {
        const before = `user=me\n${name}${between}S3CR3T${secret}\nport=25`;
        const after = new Mask().text('/etc/x.conf', before);
        assert.equal(after.split('\n').length, 3);
        assert.doesNotMatch(after, /S3CR3T/);
        assert.match(after, /^user=me\n.*\nport=25$/);
      }),
    );
  });
});
