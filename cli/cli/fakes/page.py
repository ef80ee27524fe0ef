"""Render the page of a fake: its counters and the received messages, newest first."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

TEXT = 400
ADDRESS = 48


@dataclass(frozen=True, slots=True)
class Row:
    """One message on the page. All of it comes from outside and is escaped."""

    ordinal: int
    time: float
    outcome: str
    recipient: str
    title: str
    text: str

    @property
    def clock(self) -> str:
        return f"{dt.datetime.fromtimestamp(self.time, dt.UTC):%H:%M:%S.%f}"[:-3]

    @property
    def short(self) -> str:
        """The recipient; of a long registration token the first and last characters."""
        return self.recipient if len(self.recipient) <= ADDRESS else f"{self.recipient[:16]}…{self.recipient[-6:]}"

    @property
    def excerpt(self) -> str:
        return self.text if len(self.text) <= TEXT else self.text[:TEXT] + "…"


TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{{ name }}</title>
<style>
  :root { color-scheme: light dark; --line: #8884; --quiet: #51606f; --good: #157347; --bad: #b02a37; }
  @media (prefers-color-scheme: dark) { :root { --quiet: #a9b4bf; --good: #4ccb8a; --bad: #ff8a94; } }
  body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin: 0; } p { margin: .25rem 0 1rem; }
  dl { display: flex; flex-wrap: wrap; gap: .75rem; }
  dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; }
  dt { font-size: .8rem; color: var(--quiet); }
  dd { margin: 0; font-size: 1.3rem; font-weight: 600; font-variant-numeric: tabular-nums; }
  table { border-collapse: collapse; width: 100%; }
  th { text-align: left; font-size: .8rem; color: var(--quiet); }
  th, td { padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  td { overflow-wrap: break-word; } td.text { white-space: pre-line; min-width: 14rem; }
  td.number, td.to { font-variant-numeric: tabular-nums; white-space: nowrap; }
  .accepted { color: var(--good); } .other { color: var(--bad); }
</style>
</head>
<body>
<h1>{{ name }}</h1>
<p>A local fake that speaks the real protocol: no message here reached a person. As JSON:
<a href="/stats">/stats</a>, <a href="/received?limit=20">/received</a>, <a href="/faults">/faults</a>.</p>
<dl>
{% for key, value in figures %}
<div><dt>{{ key }}</dt><dd>{{ "{:,}".format(value) }}</dd></div>
{% endfor %}
</dl>
{% if rows %}
<table>
<thead><tr><th scope="col">No.</th><th scope="col">UTC</th><th scope="col">Outcome</th><th scope="col">To</th>
<th scope="col">Title</th><th scope="col">Text</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><td class="number">{{ row.ordinal }}</td><td class="number">{{ row.clock }}</td>
<td class="{{ "accepted" if row.outcome == "accepted" else "other" }}">{{ row.outcome }}</td>
<td class="to" title="{{ row.recipient }}">{{ row.short }}</td>
<td>{{ row.title }}</td><td class="text">{{ row.excerpt }}</td></tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p>Nothing has arrived yet.</p>
{% endif %}
</body>
</html>
""")


def page(name: str, stats: dict[str, Any], rows: list[Row]) -> str:
    """Return the HTML of the counters and the given messages."""
    figures = [(key.replace("_", " "), value) for key, value in stats.items() if isinstance(value, int)]
    return TEMPLATE.render(name=name, figures=figures, rows=rows)
