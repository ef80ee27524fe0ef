"""Builds the Grafana dashboards: `python deploy/observability/dashboards.py` writes dashboards/*.json.

A dashboard is a list of rows, a row a list of panels, a panel its title, unit and queries. Colours and places follow
from that, so that all look alike.
"""

from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardCursorSync, DataSourceRef

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 24, 8

HTTP = "schoolconnect_http_server_request_duration_seconds"
HANDLED = "schoolconnect_messages_handled_total"
CALLS = "schoolconnect_provider_call_seconds"
POOL = "schoolconnect_database_connections"
LATENESS = "schoolconnect_schedule_lateness_seconds"
READY = "rabbitmq_detailed_queue_messages_ready"
NEWEST = "schoolconnect_queue_newest_received_timestamp_seconds"
RATE = "$__rate_interval"


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot, or with `now` one number: queries and the legend of each."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    description: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One dashboard; `uid` is part of its address and never changes."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def quantile(share: float, metric: str, by: str, where: str = "") -> str:
    """Return the query of a quantile of a histogram."""
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket{{{where}}}[{RATE}])))"


def rate(metric: str, by: str, where: str = "") -> str:
    """Return the query of a rate a second."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[{RATE}]))"


OVERVIEW = Page(
    "schoolconnect-overview",
    "SchoolConnect / Overview",
    (
        (
            "Is it well?",
            (
                Panel("Services up", "none", (('sum(up{job="schoolconnect"})', "up"),), now=True),
                Panel(
                    "Violated invariants",
                    "none",
                    (("sum(max by (service, invariant) (schoolconnect_invariant_violations))", "rows"),),
                    "Rows that violate an invariant; must be 0.",
                    now=True,
                ),
                Panel(
                    "Oldest event not published",
                    "s",
                    (("max(schoolconnect_outbox_oldest_seconds)", "age"),),
                    now=True,
                ),
                Panel(
                    "Dead letters in the last hour",
                    "none",
                    ((f'sum(increase({HANDLED}{{outcome="dead"}}[1h]))', "messages"),),
                    now=True,
                ),
            ),
        ),
        (
            "API",
            (
                Panel(
                    "Requests by status",
                    "reqps",
                    (
                        (
                            rate(f"{HTTP}_count", "http_response_status_code", 'service="gateway"'),
                            "{{http_response_status_code}}",
                        ),
                    ),
                ),
                Panel(
                    "Duration, p95 by route",
                    "s",
                    ((quantile(0.95, HTTP, "http_route", 'service="gateway"'), "{{http_route}}"),),
                ),
                Panel(
                    "Server errors by route",
                    "reqps",
                    (
                        (
                            rate(f"{HTTP}_count", "http_route", 'http_response_status_code=~"5.."') + " or vector(0)",
                            "{{http_route}}",
                        ),
                    ),
                ),
            ),
        ),
        (
            "Messages",
            (
                Panel("Processed by outcome", "ops", ((rate(HANDLED, "outcome"), "{{outcome}}"),)),
                Panel(
                    "Age at receipt, p99 by queue",
                    "s",
                    ((quantile(0.99, "schoolconnect_message_age_seconds", "queue"), "{{queue}}"),),
                ),
                Panel(
                    "Events applied by projection",
                    "ops",
                    ((rate("schoolconnect_events_projected_total", "projection"), "{{projection}}"),),
                ),
            ),
        ),
        (
            "Processes",
            (
                Panel(
                    "Processor time", "percentunit", ((rate("process_cpu_seconds_total", "service"), "{{service}}"),)
                ),
                Panel(
                    "Resident memory", "bytes", (("sum by (service) (process_resident_memory_bytes)", "{{service}}"),)
                ),
                Panel("Open files", "none", (("max by (service) (process_open_fds)", "{{service}}"),)),
            ),
        ),
        (
            "Busy",
            (
                Panel(
                    "Handlers in progress",
                    "none",
                    (("sum by (service) (schoolconnect_messages_in_progress)", "{{service}}"),),
                ),
                Panel(
                    "Database connections in use",
                    "percentunit",
                    (
                        (
                            f"max by (service, pool) ({POOL}_in_use / {POOL}_max)",
                            "{{service}} {{pool}}",
                        ),
                    ),
                    "Of a full pool; with all in use, handlers and requests wait.",
                ),
            ),
        ),
    ),
)

NOTIFICATIONS = Page(
    "schoolconnect-notifications",
    "SchoolConnect / Notifications",
    (
        (
            "Providers",
            (
                Panel(
                    "Calls by outcome",
                    "ops",
                    ((rate("schoolconnect_provider_calls_total", "channel, outcome"), "{{channel}} {{outcome}}"),),
                ),
                Panel(
                    "Circuit open",
                    "none",
                    (("max by (channel) (schoolconnect_provider_circuit_open)", "{{channel}}"),),
                    "1 while a provider is not called.",
                ),
                Panel("Duration of a call, p95", "s", ((quantile(0.95, CALLS, "channel"), "{{channel}}"),)),
                Panel(
                    "Credentials rejected",
                    "none",
                    (("max by (channel) (schoolconnect_provider_configuration_rejected)", "{{channel}}"),),
                ),
            ),
        ),
        (
            "Lanes",
            (
                Panel("Permits processed", "ops", ((rate(HANDLED, "queue", 'queue=~"notifier.work.+"'), "{{queue}}"),)),
                Panel(
                    "Wait of a permit, p99",
                    "s",
                    (
                        (
                            quantile(0.99, "schoolconnect_message_age_seconds", "queue", 'queue=~"notifier.work.+"'),
                            "{{queue}}",
                        ),
                    ),
                ),
                Panel(
                    "Permits waiting",
                    "none",
                    (
                        (
                            'sum by (queue) (rabbitmq_detailed_queue_messages_ready{queue=~"notifier.work.+"})',
                            "{{queue}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

WORK = 'queue=~"(files|reports).+"'
FILES_AND_REPORTS = Page(
    "schoolconnect-files-reports",
    "SchoolConnect / Files and reports",
    (
        (
            "Work",
            (
                Panel(
                    "Processed by outcome", "ops", ((rate(HANDLED, "queue, outcome", WORK), "{{queue}} {{outcome}}"),)
                ),
                Panel(
                    "Duration of a handler, p95",
                    "s",
                    ((quantile(0.95, "schoolconnect_handler_seconds", "queue", WORK), "{{queue}}"),),
                ),
                Panel(
                    "Reading a file, making a report, by kind, p95",
                    "s",
                    ((quantile(0.95, "schoolconnect_job_seconds", "kind"), "{{kind}}"),),
                ),
                Panel(
                    "Waiting",
                    "none",
                    ((f"sum by (queue) ({READY}{{{WORK}}})", "{{queue}}"),),
                ),
            ),
        ),
        (
            "HTTP",
            (
                Panel(
                    "Uploads and downloads",
                    "reqps",
                    (
                        (
                            rate(f"{HTTP}_count", "http_route", 'http_route=~"/v1/(files|reports|blobs).*"'),
                            "{{http_route}}",
                        ),
                    ),
                    "Empty until the first upload.",
                ),
            ),
        ),
    ),
)

BUS = Page(
    "schoolconnect-bus",
    "SchoolConnect / Bus and outbox",
    (
        (
            "Outbox",
            (
                Panel("Published", "ops", ((rate("schoolconnect_outbox_published_total", "service"), "{{service}}"),)),
                Panel("Oldest row", "s", (("max by (service) (schoolconnect_outbox_oldest_seconds)", "{{service}}"),)),
                Panel("Rows", "none", (("max by (service) (schoolconnect_outbox_pending_rows)", "{{service}}"),)),
                Panel(
                    "Not published, by reason",
                    "ops",
                    ((rate("schoolconnect_outbox_failed_total", "service, reason"), "{{service}} {{reason}}"),),
                ),
            ),
        ),
        (
            "Queues",
            (
                Panel(
                    "Ready",
                    "none",
                    (
                        (
                            f'sum by (queue) ({READY}{{queue!~"school.log.+|amq.+"}})',
                            "{{queue}}",
                        ),
                    ),
                ),
                Panel(
                    "Oldest message, at most",
                    "s",
                    (
                        (
                            f"(time() - max by (queue) ({NEWEST})) * on (queue) (sum by (queue) ({READY}) > bool 0)",
                            "{{queue}}",
                        ),
                    ),
                    "A message that waits came after the newest that was received. 0 where none waits.",
                ),
                Panel(
                    "Unacknowledged",
                    "none",
                    (("sum by (queue) (rabbitmq_detailed_queue_messages_unacked)", "{{queue}}"),),
                ),
                Panel(
                    "Consumers",
                    "none",
                    (('sum by (queue) (rabbitmq_detailed_queue_consumers{queue!~".+retry.+|amq.+"})', "{{queue}}"),),
                ),
            ),
        ),
        (
            "State",
            (
                Panel(
                    "Broker blocks publishing",
                    "none",
                    (("max by (service) (schoolconnect_broker_blocked)", "{{service}}"),),
                ),
                Panel(
                    "Consumers paused", "none", (("max by (service) (schoolconnect_consumers_paused)", "{{service}}"),)
                ),
                Panel(
                    "Failed periodic tasks",
                    "none",
                    (
                        (
                            "sum by (service, sweep) (increase(schoolconnect_sweeps_failed_total[1h]))",
                            "{{service}} {{sweep}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

OBJECTIVES = Page(
    "schoolconnect-objectives",
    "SchoolConnect / Objectives",
    (
        (
            "Share of bad events; the budgets are 0.1 %, 1 % and 1 %",
            tuple(
                Panel(
                    title,
                    "percentunit",
                    tuple(
                        (f'max(slo:sli_error:ratio_rate{window}{{slo="{slo}"}})', window)
                        for window in ("5m", "1h", "6h")
                    ),
                )
                for title, slo in (
                    ("API: answered 5xx", "api-availability"),
                    ("Urgent messages: more than 5 s", "urgent-latency"),
                    ("Schedules: more than 5 s", "schedule-latency"),
                )
            ),
        ),
        (
            "Schedules",
            (
                Panel(
                    "Late by, p50 and p99",
                    "s",
                    tuple(
                        (f"histogram_quantile({share}, sum by (le) (rate({LATENESS}_bucket[{RATE}])))", legend)
                        for share, legend in ((0.5, "p50"), (0.99, "p99"))
                    ),
                    "From the time at which a run was due until it was published.",
                ),
                Panel("Runs", "ops", ((f"sum(rate({LATENESS}_count[{RATE}]))", "runs"),)),
                Panel(
                    "Since the last look for due schedules",
                    "s",
                    (("time() - max(schoolconnect_schedule_loop_last_success_timestamp_seconds)", "age"),),
                ),
            ),
        ),
    ),
)

PAGES = (OVERVIEW, NOTIFICATIONS, FILES_AND_REPORTS, BUS, OBJECTIVES)


def build(page: Page) -> Dashboard:
    """Build one dashboard."""
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .tags(["schoolconnect"])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for title, panels in page.rows:
        made = made.with_row(dashboard.Row(title))
        for panel in panels:
            made = made.with_panel(_panel(panel).span(WIDTH // len(panels)))
    return made.build()


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    made: stat.Panel | timeseries.Panel = stat.Panel() if panel.now else timeseries.Panel()
    made = made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    made = made.height(HEIGHT // 2 if panel.now else HEIGHT)
    for number, (query, legend) in enumerate(panel.queries):
        made = made.with_target(
            prometheus.Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + number)).datasource(SOURCE)
        )
    if isinstance(made, timeseries.Panel):
        legend_box = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        made = made.legend(legend_box.show_legend(True)).min(0).fill_opacity(10)
    return made


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every dashboard; return their files."""
    folder.mkdir(exist_ok=True)
    files = []
    for page in PAGES:
        files.append(folder / f"{page.uid}.json")
        files[-1].write_text(JSONEncoder(sort_keys=True, indent=2).encode(build(page)) + "\n", encoding="utf-8")
    return files


if __name__ == "__main__":
    write()
