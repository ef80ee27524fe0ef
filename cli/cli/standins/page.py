"""The page a person looks at: what a stand-in received, newest first."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

TEXT = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One message for the page; everything in it came from outside and is escaped."""

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
    def excerpt(self) -> str:
        return self.text if len(self.text) <= TEXT else self.text[:TEXT] + "…"


TEMPLATE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}</title>
<style>
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
    padding: 0 1rem; color: #1d2733; }
  h1 { font-size: 1.4rem; }
  dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
  dt { font-size: .8rem; color: #51606f; }
  dd { margin: 0; font-size: 1.2rem; font-variant-numeric: tabular-nums; }
  table { border-collapse: collapse; width: 100%; }
  th { text-align: left; font-size: .8rem; color: #51606f; }
  th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid #dde3ea; vertical-align: top; }
  td { overflow-wrap: anywhere; } td.text { white-space: pre-line; }
  td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
</style>
</head>
<body>
<h1>{{ name }}</h1>
<p>A local stand-in: nothing here reached a real person. Reload for news;
<a href="/stats">/stats</a>, <a href="/received?limit=20">/received</a> and
<a href="/faults">/faults</a> are JSON.</p>
<dl>
{% for key, value in figures %}
<div><dt>{{ key }}</dt><dd>{{ value }}</dd></div>
{% endfor %}
</dl>
{% if rows %}
<table>
<thead><tr><th scope="col">No.</th><th scope="col">UTC</th><th scope="col">Outcome</th><th scope="col">To</th>
<th scope="col">Title</th><th scope="col">Text</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><td class="number">{{ row.ordinal }}</td><td class="number">{{ row.clock }}</td><td>{{ row.outcome }}</td>
<td>{{ row.recipient }}</td><td>{{ row.title }}</td><td class="text">{{ row.excerpt }}</td></tr>
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
    """HTML of the counters and the given messages."""
    figures = [(key.replace("_", " "), value) for key, value in stats.items() if isinstance(value, int)]
    return TEMPLATE.render(name=name, figures=figures, rows=rows)
