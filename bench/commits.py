"""What one row made durable costs at the pace of a measurement: less than that no order can wait.

At fifty a second each commit finds the processors asleep and their caches cold, and takes several
times what it takes in a crowd. An order waits for two.
"""

import asyncio
from time import perf_counter

import asyncpg

from bench.load import quantiles_ms

COMMITS = 150
_TABLE = "CREATE TABLE IF NOT EXISTS bench_commits (n bigint, row bytea)"
_ROW = bytes(500)


async def commit_ms(url: str, per_second: float) -> dict[str, float]:
    """Milliseconds of single inserts at this pace, seen by a client that does nothing else."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLE)
        insert = await connection.prepare("INSERT INTO bench_commits VALUES ($1, $2)")
        took = []
        for n in range(COMMITS):
            began = perf_counter()
            await insert.fetch(n, _ROW)
            took.append(perf_counter() - began)
            await asyncio.sleep(max(0.0, began + 1 / per_second - perf_counter()))
    finally:
        await connection.execute("DROP TABLE IF EXISTS bench_commits")
        await connection.close()
    return quantiles_ms(took)
