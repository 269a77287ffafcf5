"""Beaker's own ext:database on one row: `beaker_database.py URL TABLE write ID TEXT`, or `read ID`."""

import sys
import warnings

warnings.filterwarnings("ignore")

from beaker.ext.database import DatabaseNamespaceManager

DatabaseNamespaceManager._init_dependencies()
url, table, task, namespace, *rest = sys.argv[1:]
manager = DatabaseNamespaceManager(namespace, url=url, table_name=table)
if task == "write":
    manager.acquire_write_lock()
    manager["session"] = rest[0]
    manager.release_write_lock()
else:
    manager.acquire_read_lock()
    print(manager["session"] if "session" in manager else "nothing")
    manager.release_read_lock()
