"""`seatrial schema`: the JSON schema of the app file, for editors."""

from __future__ import annotations

import click


@click.command("schema")
def command() -> None:
    """Print the JSON schema of the app file.

    Editors with a YAML language server use it after a first line in the app file that says
    `# yaml-language-server: $schema=seatrial.schema.json`.
    """
    from seatrial.app.schema import text

    click.echo(text(), nl=False)
