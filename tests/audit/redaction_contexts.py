"""Where credentials stand when agents work, and what only looks like one: put together anew each time."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Iterator

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
_B64 = ALNUM + "+/"

#: `{v}` is a random token, `{p}` a password as people and their managers make them.
AGENT_CONTEXTS = (
    "$ env\nHOME=/root\nAPI_KEY={v}\nPATH=/usr/bin:/bin\nLANG=C",
    "PWD=/srv/app\nDB_PASSWORD={p}\nSHLVL=1",
    "export ACME_TOKEN={v}",
    "export ACME_TOKEN='{v}' && ./deploy.sh",
    "+ SESSION_SECRET={v}",
    "-OLD_API_KEY={v}\n+OLD_API_KEY=",
    " 12\u2192STRIPE_SECRET={v}",
    'declare -x SECRET_KEY="{v}"',
    "ENV ACME_API_KEY={v}",
    "ENV ACME_API_KEY {v}",
    "docker run -e ADMIN_PASSWORD={p} -p 80:80 nginx",
    "PGPASSWORD={p} psql -h db.internal -U app",
    'curl -sS -H "Authorization: Bearer {v}" https://api.acme.test/v1/users',
    "curl -H 'X-Api-Key: {v}' https://api.acme.test",
    'curl -H "Authorization: token {v}" https://git.acme.test/api',
    "curl -u admin:{p} https://registry.acme.test/v2/",
    "curl --user 'deploy:{p}' -X POST https://ci.acme.test",
    "curl 'https://api.acme.test/v1?access_token={v}&page=2'",
    "wget --header='PRIVATE-TOKEN: {v}' https://git.acme.test/x",
    "http POST api.acme.test/login password={p}",
    '{{"user": "app", "password": "{p}", "port": 5432}}',
    '{{"access_token":"{v}","token_type":"bearer","expires_in":3600}}',
    '{{\\"apiKey\\":\\"{v}\\",\\"region\\":\\"eu\\"}}',
    '"env": {{\n  "ACME_SECRET_KEY": "{v}"\n}}',
    '{{"name": "DB_PASSWORD", "value": "{p}"}}',
    "- name: API_TOKEN\n  value: {v}",
    "Traceback (most recent call last):\n  File \"a.py\", line 3\nAuthError: bad credentials (api_key='{v}')",
    "requests.exceptions.HTTPError: 401 for url: https://api.acme.test/x?api_key={v}",
    "psycopg.OperationalError: connection to postgresql://app:{p}@db:5432/shop failed",
    "Error: connect ECONNREFUSED redis://:{p}@cache:6379/0",
    "git clone https://oauth2:{v}@git.acme.test/team/repo.git",
    "origin\thttps://{v}@github.com/acme/repo.git (fetch)",
    "mysql -u root -p{p} shop",
    "sshpass -p '{p}' ssh root@10.0.0.4",
    "docker login -u bot -p {v} registry.acme.test",
    "npm config set //registry.acme.test/:_authToken={v}",
    "//registry.acme.test/:_authToken={v}",
    "acme login --token {v}",
    "acme deploy --api-key={v} --region eu",
    "machine git.acme.test\n  login bot\n  password {p}",
    "\ndb.internal:5432:shop:app:{p}\n",
    "Server=db;Database=shop;User Id=app;Password={p};Encrypt=true",
    "Endpoint=sb://acme.test/;SharedAccessKeyName=root;SharedAccessKey={v}=",
    "DATABASE_URL=postgres://app:{p}@db.internal:5432/shop",
    "AUTH_HEADER: Authorization: Bearer {v}",
    "> Authorization: Bearer {v}\n> Accept: */*",
    "Cookie: theme=dark; session_token={v}",
    "Set-Cookie: auth_token={v}; Path=/; HttpOnly",
    "the API key is {v}",
    "Here is my token: {v}",
    "CREATE USER app WITH PASSWORD '{p}';",
    "ALTER USER 'app'@'%' IDENTIFIED BY '{p}';",
)
CODE_CONTEXTS = (
    'password = "{p}"',
    "password: '{p}'",
    "db_password: {p}",
    'const apiKey = "{v}";',
    "const API_SECRET: string = '{v}';",
    'var clientSecret string = "{v}"',
    'private static final String TOKEN = "{v}";',
    'accessKey := "{v}"',
    "let auth_token = `{v}`",
    '$config["api_key"] = "{v}";',
    "'secret_key' => '{v}',",
    'os.environ["ACME_TOKEN"] = "{v}"',
    "client = Client(api_key='{v}', timeout=3)",
    'requests.get(url, auth=("admin", "{p}"))',
    "headers = {{'Authorization': f'Bearer {v}'}}",
    "api_secret ||= '{v}'",
    "token ?= {v}",
    "TOKEN := {v}",
    "<password>{p}</password>",
    "<apiToken>\n    {v}\n</apiToken>",
    '<add key="ApiSecret" value="{v}" />',
    "spring.datasource.password={p}",
    "[acme]\naccess_key = {v}",
    'secret_key = "{v}"',
    "api_token: >-\n  {v}\n",
    'setPassword("{p}")',
    'client.setApiKey("{v}");',
    "auth_token={v}",
    'variable "db_password" {{\n  default = "{p}"\n}}',
    "authToken: process.env.TOKEN || '{v}'",
)
#: Where nothing of what follows the name is a credential.
ORDINARY_CODE = (
    "password = get_password()",
    "password = request.POST['password']",
    'password = os.environ["DB_PASSWORD"]',
    "token: str",
    "token: str | None = None",
    "const apiKey = config.apiKey;",
    "const apiKey = process.env.API_KEY;",
    "api_key=settings.API_KEY,",
    "def check_password(self, raw_password: str) -> bool:",
    "token = secrets.token_urlsafe(32)",
    "self.token = token",
    "flags.PWD = *envFlags.PWD",
    "if (password !== confirmPassword) {",
    "password: Joi.string().min(8).required(),",
    "password = serializers.CharField(write_only=True)",
    '<input type="password" name="password" placeholder="Password">',
    'label: "Password", type: "password", autoComplete: "current-password"',
    "max_tokens: 4096, total_tokens=128000",
    '"input_tokens": 10422, "cache_read_input_tokens": 1904832',
    "key = cache_key(user_id, 'profile')",
    "for key, value in items.items():",
    '<div key="transcript-entry-42" data-key="row-17">',
    "primary_key=True, foreign_key=ForeignKey('users.id')",
    "token_type=bearer&grant_type=refresh_token",
    "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')",
    "secretName: app-credentials\nsecretKeyRef:\n  name: db-credentials\n  key: password",
    "PASSWORD_HASHERS = ['django.contrib.auth.hashers.Argon2PasswordHasher']",
    "AUTH_PASSWORD_VALIDATORS = []",
    "author: Jane Doe\nauthorEmail: jane@example.com",
    "SECRET_KEY = env('SECRET_KEY')",
    "password = input('Password: ')",
    "expect(screen.getByLabelText('Password')).toBeVisible()",
    "passwordField.sendKeys(user.getPassword())",
    "api_key: ${{ secrets.API_KEY }}",
    "token: {{ .Values.token | b64enc }}",
    "Authorization: Bearer <access_token>",
    'curl -H "Authorization: Bearer $ACCESS_TOKEN" https://x.test',
    "type Token struct { Value string; Kind TokenKind }",
    "case TokenKind.Identifier: return this.nextToken();",
    "KEY_ENTER = 13; KEY_ESCAPE = 27",
    "sort_key = lambda item: (item.priority, item.name)",
    "author_association=CONTRIBUTOR",
    "e?o.key=r.C0.NUL:e.keyCode",
    "localStorage.setItem('token', 'jwt_abc123')",
    "<password>userPassword</password>",
    "| token | string | required |",
    "| Access token | 3fa85f64-5717-4562-b3fc-2c963f66afa6 |",
    "cat token | base64 --decode",
    "token: AbstractSingletonProxyFactoryBean",
)
STAND_INS = (
    "API_KEY=your-api-key-here",
    "OPENAI_API_KEY=sk-your-key",
    "password: ${DB_PASSWORD}",
    'password = "<your password>"',
    "token = <token>",
    "token: $TOKEN",
    "api_key = 'xxxxxxxxxxxxxxxxxxxxxxxx'",
    "API_TOKEN=changeme",
    "SECRET_KEY=replace-me-with-a-long-random-string",
    "PASSWORD=********",
    "DATABASE_URL=postgres://user:password@localhost:5432/db",
    "https://user:${PASS}@example.com",
    "GITHUB_TOKEN=ghp_" + "x" * 36,
    "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7" + "EXAMPLE",
    'apiKey: "YOUR_API_KEY"',
    "client_secret=REDACTED",
    "--token <TOKEN> --password $PASSWORD",
    "Bearer {token}",
    "api_key=process.env.API_KEY",
    'api_key=os.environ["OPENAI_API_KEY"]',
    "password=%s",
    "dotenv://:key_1234@dotenv.example/vault",
    "password={password}",
    "secret: !Ref DatabaseSecret",
)


def text(rng: random.Random, size: int, alphabet: str = ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def token(rng: random.Random) -> str:
    """A token without a shape of its own, as vendors make them."""
    kinds = (
        lambda: text(rng, rng.choice((24, 32, 40, 48))),
        lambda: text(rng, rng.choice((32, 40, 64)), HEX),
        lambda: text(rng, 32, string.ascii_lowercase + string.digits),
        lambda: text(rng, 20, ALNUM) + "-" + text(rng, 20),
    )
    return rng.choice(kinds)()


def password(rng: random.Random) -> str:
    kinds = (
        lambda: text(rng, rng.randint(12, 20)),
        lambda: text(rng, 6) + rng.choice("!#%*") + text(rng, 6),
        lambda: "Tr0ub4" + rng.choice("!.*") + text(rng, 5, string.digits),
    )
    return rng.choice(kinds)()


def fill(context: str, rng: random.Random) -> tuple[str, str]:
    """A context with a value in it, and the value."""
    value = password(rng) if "{p}" in context else token(rng)
    return context.format(v=value, p=value), value


def harmless(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Kinds of what is random by design and no credential, each with a sample."""
    sha512 = base64.b64encode(rng.randbytes(64)).decode()
    lines = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(15))
    sha, sha256 = text(rng, 40, HEX), text(rng, 64, HEX)
    one = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(3_000)).decode()
    yield (
        "git",
        f"commit {sha}\nMerge: {sha[:7]} {sha[7:14]}\nindex {sha[:7]}..{sha[8:15]}\nHEAD is now at {sha[:9]}",
    )
    yield "git", f"git checkout {sha} && git cherry-pick {sha[:10]}\nuses: actions/checkout@{sha}"
    yield "uuid", f"id: {one}\nrequest {one} session={one} key {one} trace_id={one.replace('-', '')}"
    yield "npm", f'"resolved": "https://r.test/a/-/a-1.0.0.tgz",\n"integrity": "sha512-{sha512}"'
    yield "poetry", f'{{file = "a-1.0-py3-none-any.whl", hash = "sha256:{sha256}"}}'
    yield "cargo", f'[[package]]\nname = "serde"\nchecksum = "{sha256}"'
    yield (
        "go.sum",
        f"golang.org/x/net v0.1.0 h1:{sha512[:43]}=\ngolang.org/x/net v0.1.0/go.mod h1:{sha512[1:44]}=",
    )
    yield "uv", f'sdist = {{ url = "https://f.test/a.tar.gz", hash = "sha256:{sha256}", size = 101 }}'
    yield "pip", f"foo==1.0 --hash=sha256:{sha256}"
    yield "yarn", f"checksum: 10/{text(rng, 128, HEX)}"
    yield "docker", f"FROM node:20@sha256:{sha256}\n---> {sha256[:12]}"
    yield (
        "agent ids",
        f"toolu_01{text(rng, 22)} msg_01{text(rng, 22)} call_{text(rng, 24)} req_011{text(rng, 21)}",
    )
    yield "agent ids", f'"id": "resp_{text(rng, 48, HEX)}", "item_id": "rs_{text(rng, 50, HEX)}"'
    yield (
        "agent ids",
        f"ses_{text(rng, 26)} chatcmpl-{text(rng, 29)} prt_{text(rng, 26)} fc_{text(rng, 48, HEX)}",
    )
    yield "agent ids", f"rollout-2026-01-02T03-04-05-{one}.jsonl call_id: call_{text(rng, 24)}"
    yield "thinking", f'"signature": "{base64.b64encode(rng.randbytes(400)).decode()}"'
    yield "thinking", f'"encrypted_content": "gAAAAA{text(rng, 600, ALNUM + "_-")}"'
    yield "image", f'<img src="data:image/png;base64,{png}">'
    yield "image", png
    yield "certificate", f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----"
    yield "public key", f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{sha512} me@host"
    yield "public key", f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{text(rng, 43, _B64)} me@host"
    yield "public key", f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----"
    yield "public key", f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----"
    yield "public key", f"SHA256:{text(rng, 43, _B64)} me@host (ED25519)"
    yield "checksum", f'{sha256}  dist/app.tar.gz\nMD5 (a) = {sha[:32]}\nETag: "{sha[:32]}"'
    yield (
        "webpack",
        f"main.{sha[:20]}.js chunk-{text(rng, 8, ALNUM)}.css?v={sha[:8]} Button_root__{text(rng, 5)}",
    )
    yield (
        "minified",
        f"var a=function(e,t){{return e.key=t.token,n(e.password,t)}};//# sourceMappingURL=a.{sha[:8]}.map",
    )
    yield "csp", f"script-src 'sha256-{sha512[:43]}=' 'nonce-{text(rng, 22)}'"
    yield (
        "etag",
        f'If-None-Match: W/"{sha[:27]}"\nx-request-id: {one}\ntraceparent: 00-{sha[:32]}-{sha[:16]}-01',
    )
