"""The accounts that a sandbox serves: their keys, limits, databases and PostgreSQL roles."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from psycopg import conninfo as conninfo_text

PUBLIC_ROLE = "publicuser"
PUBLIC_TOKEN = "default_public"  # noqa: S105 -- every CARTO account has this key
TABLE_PERMISSIONS = ("select", "insert", "update", "delete")
QUOTA_SERVICES = ("isolines", "hires_geocoder", "routing", "observatory")
SERVICES = ("geocoding", "routing", "isolines", "observatory")

SOFT_LIMITS = (
    "soft_geocoding_limit", "soft_here_isolines_limit", "soft_twitter_datasource_limit", "soft_mapzen_routing_limit",
)  # fmt: skip

KeyType = Literal["master", "default", "regular"]
OrgRole = Literal["owner", "admin", "member"]


@dataclass(frozen=True)
class RateLimit:
    """So many calls at once, then ``count`` calls every ``period_s`` seconds.

    Attributes:
        burst: Calls allowed at once.
        count: Calls that come back in each period.
        period_s: Length of the period, in seconds.
    """

    burst: int
    count: int = 1
    period_s: float = 1.0


@dataclass(frozen=True)
class ImportLimits:
    """What an account may import.

    Attributes:
        concurrent: Imports at the same time.
        file_bytes: Size of a file.
        rows: Rows of a table.
        columns: Columns of a table.
        remote_hosts: Whether URLs and databases on other machines may be read.
    """

    concurrent: int = 3
    file_bytes: int = 150 << 20
    rows: int = 500_000
    columns: int = 250
    remote_hosts: bool = False


@dataclass(frozen=True)
class ServiceQuota:
    """How much an account may use a data service, as ``cdb_service_quota_info()`` tells it; the sandbox has none.

    Attributes:
        monthly_quota: Uses a month.
        used_quota: Uses of this month.
        soft_limit: Whether more is billed, not refused.
        provider: Who does the work.
    """

    monthly_quota: int = 0
    used_quota: int = 0
    soft_limit: bool = False
    provider: str = "none"


@dataclass(frozen=True)
class ApiKey:
    """One API key of an account, and the PostgreSQL role that it acts as.

    Attributes:
        token: The secret that callers send.
        name: Name shown to the owner of the account.
        type: Master keys own everything, the default one is public, regular ones get what ``tables`` says.
        role: PostgreSQL role.
        sql: Whether the key may use the SQL API.
        maps: Whether the key may use the Maps API.
        tables: Permissions of a regular key that a file declares, by table name.
        services: Data services that the key may use.
        statement_timeout_ms: Longest run of one statement in milliseconds; None for no limit.
        password: Password of the role, another one at every start.
    """

    token: str = field(repr=False)
    name: str
    type: KeyType
    role: str
    sql: bool = True
    maps: bool = True
    tables: dict[str, list[str]] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    statement_timeout_ms: int | None = None
    password: str = field(default_factory=secrets.token_hex, repr=False, compare=False)

    @property
    def apis(self) -> list[str]:
        """The APIs that the key may use."""
        return [name for name, allowed in (("sql", self.sql), ("maps", self.maps)) if allowed]


@dataclass(frozen=True)
class Account:
    """One CARTO account with a database of its own.

    Attributes:
        name: User name, as in ``/user/NAME/``.
        user_id: Id sent in ``Carto-User-Id`` and part of the database's name.
        keys: API keys; one is the master key.
        batch_timeout_ms: Longest run of one batch statement in milliseconds; None for no limit.
        organization: Name of the organization that the account belongs to; None for none.
        org_role: What it is there: owner, admin or member.
        email: Address of the user; made up when None.
        viewer: Whether the user is said to be one who only reads; nothing is refused for that.
        soft_limits: Which of `SOFT_LIMITS` the user has.
        regular_key_quota: How many regular keys there may be; None for any number.
        quota_bytes: Bytes that the account's tables may take; None for no limit.
        rate_limits: Limits by endpoint group (query, job_create, job_get, job_delete, copy_from, copy_to; for maps
            anonymous, tile, attributes, dataview, dataview_search, static, static_named, named, named_tiles,
            named_create, named_list, named_get, named_update, named_delete).
        import_limits: What may be imported.
        service_quotas: Quotas of isolines, hires_geocoder, routing and observatory, 0 unless given.
        batch_update: Whether PUT changes a pending job, as older servers allowed.
        database_url: Database used instead of the account's own; nothing is created there.
        can_log_in: False makes the database refuse this account's roles.
    """

    name: str
    user_id: str
    keys: tuple[ApiKey, ...]
    batch_timeout_ms: int | None = None
    organization: str | None = None
    org_role: OrgRole = "member"
    email: str | None = None
    viewer: bool = False
    soft_limits: tuple[str, ...] = ()
    regular_key_quota: int | None = None
    quota_bytes: int | None = None
    rate_limits: dict[str, RateLimit] = field(default_factory=dict)
    import_limits: ImportLimits = field(default_factory=ImportLimits)
    service_quotas: dict[str, ServiceQuota] = field(default_factory=dict)
    batch_update: bool = False
    database_url: str | None = None
    can_log_in: bool = True

    @property
    def is_org_admin(self) -> bool:
        """Whether the account manages the users of its organization."""
        return self.organization is not None and self.org_role in ("owner", "admin")

    @property
    def database(self) -> str:
        """Name of the account's database."""
        return f"cartodb_user_{self.user_id}_db"

    @property
    def master_key(self) -> ApiKey:
        """The key that owns the account."""
        return next(key for key in self.keys if key.type == "master")

    @property
    def public_key(self) -> ApiKey:
        """The key of callers who send none."""
        return next(key for key in self.keys if key.type == "default")

    def key(self, token: str) -> ApiKey | None:
        """Find a key by what the caller sent."""
        sent = token.encode()
        return next((key for key in self.keys if secrets.compare_digest(key.token.encode(), sent)), None)

    def conninfo(self, key: ApiKey, cluster: str) -> str:
        """Build the connection string with which a key reaches this account's database.

        Args:
            key: Key to act as.
            cluster: Connection string of the cluster, without database and user.
        """
        if self.database_url is not None:
            return self.database_url
        return _role_conninfo(cluster, self.database, key.role, key.password)

    def admin_conninfo(self, admin: str) -> str:
        """Build the connection string with which the sandbox itself reaches this account's database.

        Names are looked up in PostgreSQL's own schema alone: functions and operators that the account makes in others
        would run with an administrator's rights wherever they fit a call better.

        Args:
            admin: Connection string of the cluster's administrator.
        """
        if self.database_url is not None:
            return self.database_url
        given = conninfo_text.conninfo_to_dict(admin).get("options") or ""
        options = f"{given} -c search_path=pg_catalog,pg_temp".strip()
        return conninfo_text.make_conninfo(admin, dbname=self.database, options=options)


@lru_cache(maxsize=1024)
def _role_conninfo(cluster: str, database: str, role: str, password: str) -> str:
    return conninfo_text.make_conninfo(
        cluster, dbname=database, user=role, password=password, application_name="cartodb_sqlapi"
    )


def load_accounts(path: Path | str | None = None) -> list[Account]:
    """Read accounts from a JSON file; without a file, make the account ``demo``.

    Args:
        path: File with ``{"accounts": [...]}``.

    Raises:
        ValueError: The file does not describe accounts; the message says what is wrong with which one.
    """
    if path is None:
        return [demo_account()]
    try:
        described = json.loads(Path(path).read_text(encoding="utf-8"))
        _require(["accounts"], described, "the file")
        return accounts_of(described["accounts"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe accounts: {type(error).__name__}: {error}") from error


def accounts_of(entries: Sequence[dict[str, Any]]) -> list[Account]:
    """Build accounts from their JSON descriptions.

    Raises:
        ValueError: One makes no sense, or an organization has not one owner.
    """
    accounts = [account_from_dict(entry) for entry in entries]
    for name in {account.organization for account in accounts} - {None}:
        if sum(account.organization == name and account.org_role == "owner" for account in accounts) != 1:
            raise ValueError(f"organization {name!r} needs exactly one account with the org_role 'owner'")
    return accounts


def demo_account(master_token: str | None = None, *, has_known_tokens: bool = True) -> Account:
    """Make the default account: a master, a public, a regular and an SQL-less key, no limits.

    Args:
        master_token: Master key; random when None.
        has_known_tokens: Whether the last two keys have the same tokens in every sandbox; otherwise theirs come from
            the master key, and cannot be guessed without it.
    """
    master = master_token or secrets.token_hex(20)

    def token(known: str) -> str:
        return known if has_known_tokens else hashlib.sha256(f"{known} {master}".encode()).hexdigest()[:40]

    return account_from_dict(
        {
            "name": "demo",
            "user_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, "demo.carto.sandbox")),
            "batch_update": True,
            "batch_timeout_ms": 12 * 3600 * 1000,
            "keys": [
                {"type": "master", "token": master},
                {"type": "default"},
                {"type": "regular", "name": "regular", "token": token("regular_demo")},
                {"type": "regular", "name": "maps_only", "token": token("mapsonly_demo"), "sql": False},
            ],
        }
    )


def account_from_dict(entry: dict[str, Any]) -> Account:
    """Build an account from its JSON description.

    Raises:
        ValueError: A field is missing, unknown or has a value that makes no sense.
    """
    _require(["name", "keys"], entry, "an account")
    fields = dict(entry)
    name = str(fields["name"])
    user_id = str(fields.pop("user_id", uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.carto.sandbox")))
    keys = tuple(_key_from_dict(key, user_id) for key in fields.pop("keys"))
    limits = {group: RateLimit(**limit) for group, limit in fields.pop("rate_limits", {}).items()}
    import_limits = ImportLimits(**fields.pop("import_limits", {}))
    if not any(key.type == "default" for key in keys):
        keys += (_key_from_dict({"type": "default"}, user_id),)
    if sum(key.type == "master" for key in keys) != 1:
        raise ValueError(f"account {name!r} needs exactly one key of type 'master'")
    if fields.get("org_role", "member") not in get_args(OrgRole):
        raise ValueError(f"the org_role of account {name!r} is none of {', '.join(get_args(OrgRole))}")
    fields["soft_limits"] = tuple(fields.get("soft_limits", ()))
    if len({key.name for key in keys}) < len(keys):
        raise ValueError(f"two keys of account {name!r} have the same name")
    return Account(
        user_id=user_id,
        keys=keys,
        rate_limits=limits,
        import_limits=import_limits,
        service_quotas=_service_quotas(name, fields.pop("service_quotas", {})),
        **fields,
    )


def _require(names: Sequence[str], described: object, what: str) -> None:
    if not isinstance(described, dict):
        raise ValueError(f"{what} is a JSON object with {' and '.join(map(repr, names))}")
    missing = [name for name in names if name not in described]
    if missing:
        raise ValueError(f"{what} needs {' and '.join(map(repr, missing))}")


def _service_quotas(account: str, described: dict[str, Any]) -> dict[str, ServiceQuota]:
    unknown = described.keys() - set(QUOTA_SERVICES)
    if unknown:
        raise ValueError(f"account {account!r} has quotas of unknown services: {', '.join(sorted(unknown))}")
    return {name: ServiceQuota(**described.get(name, {})) for name in QUOTA_SERVICES}


def _key_from_dict(entry: dict[str, Any], user_id: str) -> ApiKey:
    _require(["type"], entry, "a key")
    fields = dict(entry)
    kind = fields["type"]
    if kind not in ("master", "default", "regular"):
        raise ValueError(f"key type {kind!r} is none of master, default, regular")
    name = fields.setdefault("name", {"master": "Master", "default": "Default public"}.get(kind, kind))
    if kind == "default":  # all accounts share its role
        fields = {"token": PUBLIC_TOKEN, "password": PUBLIC_TOKEN, **fields}
    if kind == "master":
        fields["services"] = SERVICES
    fields["services"] = tuple(fields.get("services", ()))
    if kind != "default":
        _require(["token"], fields, f"key {name!r}")
    unknown = {p for wanted in fields.get("tables", {}).values() for p in wanted} - set(TABLE_PERMISSIONS)
    if unknown:
        raise ValueError(f"key {name!r} asks for unknown permissions: {', '.join(sorted(unknown))}")
    return ApiKey(role=_role_name(cast(KeyType, kind), name, user_id), **fields)


def _role_name(kind: KeyType, key_name: str, user_id: str) -> str:
    if kind == "default":
        return PUBLIC_ROLE
    owner = f"cartodb_user_{user_id}"
    if kind == "master":
        return owner
    return f"{owner[:46]}_role_{hashlib.sha256((user_id + key_name).encode()).hexdigest()[:10]}"
