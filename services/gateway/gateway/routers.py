"""The routes of the gateway in their order, and who may call each."""

from gateway.accounts import administration_routes
from gateway.accounts import api_key_routes as api_keys
from gateway.accounts import me_routes as own_routes
from gateway.accounts import session_routes as sign_in
from gateway.console import routers as console
from gateway.directory import (
    calendar_routes,
    class_routes,
    device_routes,
    export_routes,
    me_routes,
    people_routes,
    school_routes,
    student_routes,
)
from gateway.downloads import routes as downloads
from gateway.files import decision_routes, upload_routes
from gateway.files import read_routes as file_reads
from gateway.http.guarded_route import access_table
from gateway.live import routes as live_routes
from gateway.notifications import (
    approval_routes,
    cancel_resend_routes,
    create_routes,
    delivery_report_routes,
    inbox_routes,
    read_routes,
    template_routes,
    unsubscribe_routes,
)
from gateway.operations import failure_routes, log_routes, queue_routes, replay_routes
from gateway.records import routes
from gateway.reports import routes as report_routes
from gateway.roster_import import routes as import_routes
from gateway.schedules import routes as schedules
from gateway.tasks import task_routes

ROUTERS = (
    live_routes.router,  # before /v1/tasks/{task_id}
    create_routes.router,
    read_routes.router,
    delivery_report_routes.router,
    template_routes.router,
    inbox_routes.router,
    schedules.router,
    task_routes.router,
    failure_routes.router,
    queue_routes.router,
    log_routes.router,
    replay_routes.router,
    school_routes.router,
    calendar_routes.router,
    people_routes.router,
    export_routes.router,
    student_routes.router,
    class_routes.router,
    *routes.routers,
    report_routes.router,
    me_routes.router,
    own_routes.router,
    device_routes.router,
    import_routes.router,
    import_routes.uploads,
    upload_routes.router,
    file_reads.router,
    decision_routes.router,
    sign_in.router,
    cancel_resend_routes.router,
    approval_routes.router,
    unsubscribe_routes.router,
    api_keys.router,
    administration_routes.router,
    downloads.router,
)
ACCESS = access_table(route for router in ROUTERS for route in router.routes)
"""(method, path) → access, read from the routes."""
CONSOLE_ACCESS = access_table(route for router in console.ROUTERS for route in router.routes)
"""The same for the pages of the console."""
