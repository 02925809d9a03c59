"""Decodes, scales and crops pictures to a square and writes PNG files by libvips; prints one line of JSON.

usage: vips_peer.py FOLDER_OF_PICTURES EMPTY_FOLDER PIXELS THREADS
No shrink-on-load: the whole picture is decoded, where the trainer lets the decoder leave out what the scaling would. One picture a
thread, as libvips is the fastest on many pictures.
"""
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["VIPS_CONCURRENCY"] = "1"
import pyvips  # noqa: E402

source, out, pixels, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
out.mkdir(parents=True, exist_ok=True)
pyvips.cache_set_max(0)


def prepare(file):
    picture = pyvips.Image.new_from_file(str(file), access="sequential").autorot()
    picture = picture.resize(pixels / min(picture.width, picture.height))
    left, top = (picture.width - pixels) // 2, (picture.height - pixels) // 2
    picture.crop(left, top, pixels, pixels).pngsave(str(out / (file.stem + ".png")))


begin = time.time()
with ThreadPoolExecutor(threads) as pool:
    done = len(list(pool.map(prepare, sorted(source.iterdir()))))
print(json.dumps({
    "program": f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}",
    "pictures": done,
    "seconds": round(time.time() - begin, 1),
    "threads": threads,
    "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
