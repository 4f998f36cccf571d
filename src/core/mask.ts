/**
 * Makes text fit to be shown to people who may not know what secrets are in it. Structure stays: keys, separators and
 * line breaks are as they were, and the same secret has the same number everywhere in what one Mask was given, so
 * that a diff still shows that a secret changed.
 *
 * What it finds: values of keys whose names speak of passwords, secrets, tokens, keys and credentials (`key = value`,
 * `key: value`, `key value` at the beginning of a line, XML elements), blocks of private keys, passwords in URLs, hashes of
 * passwords (`$6$…`, `{SSHA}…`), and every line of a file whose name says that it holds secrets. What it cannot
 * find is a secret under a name that says nothing, nor a key that is no text.
 */
export class Mask {
  readonly #known = new Map<string, number>();

  /** `path`: of the file; some names say that each line holds a secret. */
  text(path: string, text: string): string {
    const secretFile = secretFileName.test(path);
    let block: RegExp | undefined;
    let deeperThan: number | undefined;
    const lines = text.split('\n').map((line) => {
      if (block !== undefined) {
        if (!block.test(line)) return this.#value(line);
        block = undefined;
        return line;
      }
      const begin = privateKeyBegin.exec(line);
      if (begin !== null) {
        block = privateKeyEnd;
        // A whole key on one line, with its line breaks written as \n.
        if (!privateKeyEnd.test(line)) return this.#value(line);
        block = undefined;
        return `${line.slice(0, begin.index)}${this.#number(line)}`;
      }
      if (deeperThan !== undefined) {
        if (line.trim() === '' || indentOf(line) > deeperThan) return this.#value(line);
        deeperThan = undefined;
      }
      if (opensBlock.test(line)) {
        deeperThan = indentOf(line);
        return line;
      }
      return secretFile ? this.#afterFirstWord(line) : this.#line(line);
    });
    return lines.join('\n');
  }

  #line(line: string): string {
    if (line.length > longestLine) return this.#value(line);
    const number = (secret: string): string => this.#number(secret);
    return line
      .replace(passwordInUrl, (_all, before: string, secret: string) => `${before}${number(secret)}@`)
      .replace(passwordHash, (secret) => number(secret))
      .replace(element, (_all, open: string, secret: string) => `${open}${number(secret)}`)
      .replace(firstWord, (all, before: string, secret: string) =>
        isMasked(secret) ? all : `${before}${number(secret)}`,
      )
      .replace(inlineWord, (all, before: string, secret: string) =>
        isMasked(secret) ? all : `${before}${number(secret)}`,
      )
      .replace(assignment, (all, before: string, secret: string) => {
        const quote = /^["']/.exec(secret)?.[0] ?? '';
        const bare = quote === '' ? secret : secret.slice(1).replace(new RegExp(`${quote}$`), '');
        const end = quote !== '' && secret.length > 1 && secret.endsWith(quote) ? quote : '';
        return bare === '' || isMasked(bare) ? all : `${before}${quote}${number(bare)}${end}`;
      });
  }

  #afterFirstWord(line: string): string {
    return line.replace(/^(\s*[^\s:#]+(?:\s+|:))(.+)$|^(\s*)(\S+)\s*$/, (all, key, secret, indent, alone) => {
      if (secret !== undefined) return `${key}${this.#number(secret)}`;
      return alone === undefined ? all : `${indent}${this.#number(alone)}`;
    });
  }

  /** All of a line but its indent. */
  #value(line: string): string {
    const indent = /^\s*/.exec(line)?.[0] ?? '';
    const rest = line.slice(indent.length);
    return rest === '' ? line : `${indent}${this.#number(rest)}`;
  }

  #number(secret: string): string {
    const known = this.#known.get(secret) ?? this.#known.size + 1;
    this.#known.set(secret, known);
    return `<masked ${known}>`;
  }
}

/** Beyond it a line is masked as a whole: expressions take long, and nobody reads it. UTF-16 units. */
const longestLine = 10_000;

function isMasked(text: string): boolean {
  return /^<masked \d+>/.test(text);
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

const secretFileName = /(?:sasl_passwd|shadow|passwd|htpasswd|\.netrc|\.pgpass|secrets?|\.key)(?:[-.~]|$)/i;
const privateKeyBegin = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----/;
const privateKeyEnd = /-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----/;

/** A word that names a secret, within a longer name or alone: `dbPassword`, `smtp_sasl_password_maps`, `api-key`. */
const secretName =
  '[\\w.-]*(?:passwo?r?d|passwd|passphrase|pwd|bindpw|rootpw|secret|token|credential|apikey|(?:^|[\\b_.-])?key)[\\w.-]*';
/** `name = value`, `"name": "value"`; without quotes the value goes to the end of the line. */
const assignment = new RegExp(
  `((?<![\\w.-])["']?${secretName}["']?\\s*(?:=>|[:=])\\s*)("(?:[^"\\\\]|\\\\.)*(?:"|$)|'(?:[^'\\\\]|\\\\.)*(?:'|$)|[^\\s"'].*$)`,
  'gi',
);
/** `name value` where a line begins with it, as in ldap.conf and nginx. */
const firstWord = new RegExp(`^(\\s*${secretName}[ \\t]+)([^\\s:=].*)$`, 'i');
/** `machine a login b password c`. */
const inlineWord = /((?<![\w.<-])(?:password|passwd|secret|token)[ \t]+)([^\s:=]+)/gi;
const element = new RegExp(`(<(?:${secretName})(?:\\s[^>]*)?>)([^<]+)`, 'gi');
/** The user may be missing, and the password may hold an @. */
const passwordInUrl = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)([^\s/]+)@/gi;
const passwordHash =
  /\$(?:\d\w?|argon2\w*|y|gy|apr1|2[aby])\$[^\s:"']+|\{(?:S?SHA\d*|S?MD5|CRYPT|SSHA\d*)\}[^\s"']+/gi;
/** YAML: the value is what is deeper below. */
const opensBlock = new RegExp(`(?<![\\w.-])["']?${secretName}["']?\\s*[:=]\\s*[|>]?[-+]?\\s*$`, 'i');
