"""What the operator decides about the console."""

import msgspec


class ConsoleOptions(msgspec.Struct, frozen=True):
    """`auth_account` and `auth_password` are the super admin's. `client_port` is set where clients have an address of
    their own.
    """

    auth_account: str
    auth_password: str
    mask_passwords: bool
    tls: bool = False
    client_port: int | None = None
