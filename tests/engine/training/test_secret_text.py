"""What may be a secret is not kept: names of files, values in texts, variables."""

from __future__ import annotations

import time

import pytest

from engine.training import provenance
from engine.training.secret_text import HIDDEN, has_secret_name, is_secret_variable, masked


@pytest.mark.parametrize(
    "line",
    [
        '+API_KEY = "geheim"',
        "-password: geheim",
        "+password: geheim geheim",
        " AWS_SECRET_ACCESS_KEY=geheim/geheim+geheim==",
        '+    "api_key": "geheim", "model": "resnet"',
        '+headers = {"Authorization": "Bearer geheimgeheim"}',
        "+curl -H 'Authorization: Bearer geheimgeheim'",
        '+x = "sk-geheim-geheim1"',
        "+y = 'ghp_geheimgeheim12345'",
        "+github_pat_geheimgeheim12345",
        '+def connect(password: str = "geheim", lr=0.1):',
        '+url = "postgresql://me:geheim@host/db"',
        '+url = "https://host/path?access_token=geheim&x=1"',
        '+login(user="x", token="geheim")',
        "+itop-helper --password geheim --lr 0.1",
        "+export HF_TOKEN=geheim",
        '+os.environ["WANDB_API_KEY"] = "geheim"',
        '+if password == "geheim": pass',
        '+passphrase = """geheim',
        '+token = get_token("abc", password="geheim")',
        '+API_KEY = (\n+    "geheim"\n+)',
        "+<password>geheim</password>",
        "+client.secret: geheim",
        "+  pw: geheim",
        "+-----BEGIN RSA PRIVATE KEY-----\n+geheim\n+geheim\n+-----END RSA PRIVATE KEY-----",
        "+-----BEGIN OPENSSH PRIVATE KEY-----\n+geheim\n+geheim",
    ],
)
def test_a_value_that_may_be_a_secret_is_masked(line: str) -> None:
    text = masked(f"+lr = 0.1\n{line}\n+model = 'resnet'\n" if "OPENSSH" not in line else f"+lr = 0.1\n{line}")
    assert "geheim" not in text
    assert HIDDEN in text
    assert text.startswith("+lr = 0.1\n")
    assert text.count("\n") >= line.count("\n")


@pytest.mark.parametrize(
    "line",
    [
        '+tokenizer = AutoTokenizer.from_pretrained("bert")',
        "+max_tokens = 512",
        '+pad_token = "<pad>"',
        "+def f(password: str, lr=0.1, token: str | None = None):",
        '+author = "me"',
        '+key = "name"',
        "+rows.sort(key=lambda row: row.step)",
        "+self.token = token",
        "+loss = criterion(output, target)",
        '+    return self.auth.get("x")',
        '+    password = input("Password: ")',
        "+model.density = 0.1  # 5% of 20",
        "@@ -1,3 +1,4 @@ def step(self):",
        "index 83db48f..bf269f4 100644",
    ],
)
def test_code_without_a_secret_is_kept_as_it_is(line: str) -> None:
    assert masked(line) == line


@pytest.mark.parametrize(
    "piece", ["a=1,", "pw=1,", "x:", "://a@", "a-", '"', "password: ", "<a>", "-----BEGIN PRIVATE KEY-----"]
)
def test_looking_through_any_text_takes_little_time(piece: str) -> None:
    began = time.process_time()
    masked("\n".join([piece * 300] * 50))
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "path",
    [
        ".env", "conf/prod.env", ".env.local", "my_secrets.yaml", "aws_credentials.json", "k.PEM", "a/b.key", "c.p12",
        "id_rsa", "id_rsa.pub", "hub_token.txt", "secrets/values.py", ".ssh/config", "passwords.csv",
    ],
)  # fmt: skip
def test_a_name_that_suggests_a_secret_is_known(path: str) -> None:
    assert has_secret_name(path)


@pytest.mark.parametrize("path", ["model.py", "tokenizer.json", "environment.yml", "keys.py", "data/turkey.png"])
def test_other_names_are_not(path: str) -> None:
    assert not has_secret_name(path)


@pytest.mark.parametrize("name", ["SLURM_PASS", "TORCH_PWD", "SLURM_JWT", "NCCL_SECRET", "ITOP_API_KEY", "CUDA_TOKEN"])
def test_variables_whose_names_suggest_a_secret_are_left_out(name: str) -> None:
    assert is_secret_variable(name)
    assert provenance.environment({name: "geheim"}) == {}


@pytest.mark.parametrize(
    "value", ["geheim@host", "tcp://user:geheim@host:1", "user:geheim@host", "host?token=geheim", "sk-geheim-geheim1"]
)
def test_a_secret_in_an_address_is_masked(value: str) -> None:
    kept = provenance.environment({"MASTER_ADDR": value, "ITOP_DATABASE_URL": "postgresql://me:geheim@host/db"})
    assert "geheim" not in "".join(kept.values())
    assert kept["MASTER_ADDR"]


def test_an_address_without_a_secret_is_kept() -> None:
    given = {"MASTER_ADDR": "10.0.0.1", "CUDA_VISIBLE_DEVICES": "0,1", "LD_LIBRARY_PATH": "/opt/libomp@16/lib:/usr/lib"}
    assert provenance.environment(given) == given
