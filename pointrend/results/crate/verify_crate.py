"""Check a crate of results: python3 verify_crate.py results.crate.zip

Needs pyarrow, and nothing of the project. Every file must be the one that the manifest lists and the records name,
every mIoU that of its counts, every verdict that of the rules (docs/verdicts.md of the project). Exits 3 and names the
first fault. Only the signature of the manifest shows that everything was made anew.
"""
import hashlib, itertools, json, math, os, re, statistics, sys, urllib.parse, zipfile, zlib
import pyarrow.parquet

MANIFEST, SIGNATURE, COUNTERSIGNED = "manifest-sha256.txt", "manifest-sha256.txt.sig", "countersigned"
METADATA, MODEL, COUNTS = "ro-crate-metadata.json", "model.safetensors", "confusion.parquet"
LIMITS = {"matches": 0.02, "close": 0.05, "differs": math.inf}  # in points, for two scores of the same weights
plain = re.compile(r"(\.?[\w-][\w.+-]*/)*\.?[\w-][\w.+-]*", re.ASCII).fullmatch  # no way out of a folder, none to hide
RATE, MARGIN, FIRST_LOOK, ALIKE, HOLM_LOOKS, KNOWN = 0.05, 1.0, 3, 0.75, 1.3, 1e6
BROKEN = (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError, StopIteration, TypeError, ValueError,
          zipfile.BadZipFile, zlib.error)
def hold(truth, what):
    if not truth: raise ValueError(what)
def sha256(data): return hashlib.sha256(data).hexdigest()
def near(a, b): return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) if None not in (a, b) else a is b
def sealed(record):
    rest = {name: value for name, value in record.items() if name != "sha256"}
    return record["sha256"] == sha256((json.dumps(rest, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode())
def manifest_text(files, folder=""):  # lines as those of sha256sum; what was countersigned has manifests of its own
    names = sorted(name[len(folder) :] for name in files if name.startswith(folder))
    names = [name for name in names if name not in (MANIFEST, SIGNATURE) and f"/{COUNTERSIGNED}/" not in name]
    return "".join(f"{sha256(files[folder + name])}  {name}\n" for name in names)
def check_manifest(files, folder=""):
    found, listed = manifest_text(files, folder), files.get(folder + MANIFEST, b"").decode("utf-8", "replace")
    wrong = sorted(line[66:] for line in set(found.splitlines()) ^ set(listed.splitlines()))
    hold(found == listed, f"{folder}{wrong[0] if wrong else MANIFEST} does not match {folder}{MANIFEST}")
def count(data, name):  # per class the right, labelled and predicted pixels of all images; what the file says of itself
    file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(data))
    hold(file.metadata.num_rows < 2**22, f"{name} has more rows than there are images and classes")
    about, table = json.loads(file.schema_arrow.metadata[b"scored"]), file.read().to_pydict()
    cells = list(zip(*(table[key] for key in ("image", "class", "true_positive", "ground_truth", "predicted"))))
    hold(len({cell[:2] for cell in cells}) == len(cells), f"{name} counts an image and class twice")
    sums = [[0, 0, 0] for _ in range(about["classes"])]
    for _, k, *counts in cells:
        hold(0 <= counts[0] <= min(counts) and 0 <= k < len(sums), f"{name} has impossible counts")
        sums[k] = [total + one for total, one in zip(sums[k], counts)]
    return sums, about
def mean_iou(sums):  # percent, without classes that occur neither in the labels nor in the predictions
    return statistics.fmean(100 * right / (truth + said - right) for right, truth, said in sums if truth + said)
def beta_share(x, a, b):  # the incomplete beta function I_x(a, b), from which Student's t and F follow (DLMF 8.17.22)
    if x <= 0 or x > (a + 1) / (a + b + 2):
        return 1 - beta_share(1 - x, b, a) if x > 0 else 0.0
    c, d, fraction = 1.0, 0.0, 1.0
    for n in range(1, 100_000):
        m = n // 2
        term = (-(a + m) * (a + b + m) if n % 2 else m * (b - m)) * x / ((a + n - 1) * (a + n))
        d, c = 1 / (1 + term * d), 1 + term / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15: break
    log = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log) / (a * fraction)
def tail(distance, size, degrees):  # probability that Student's t exceeds a distance in one direction
    share = beta_share(degrees / (degrees + (distance / size) ** 2), degrees / 2, 0.5) / 2
    return share if distance > 0 else 1 - share
def judge(row, differences, planned, variance, degrees, k, own, rounding):
    # the verdict on ours minus published; the published side is the mean of k trainings with this variance
    n, mean, sigma, spent = len(differences), statistics.fmean(differences), math.sqrt(variance), 1
    errors, far = [(sigma * math.sqrt(1 + 1 / k), degrees)], (row["interval"][1] - row["interval"][0]) / 2
    if n > 1:
        ours, looks = statistics.variance(differences), planned - FIRST_LOOK + 1
        parts, a, b, both = ((n - 1) * ours, degrees * variance), variance / k, ours / n, 1 / n + 1 / k
        alike = abs(beta_share(parts[0] / sum(parts), (n - 1) / 2, degrees / 2) - 0.5) <= 0.5 - ALIKE / 2  # an F test
        one, free = (sum(parts) / (n - 1 + degrees), n - 1 + degrees) if alike else (ours, n - 1)
        sigma, welch = math.sqrt(one), (math.sqrt(a + b), (a + b) / (a / degrees + b / (n - 1)))
        pooled, alone = (math.sqrt(one * both), free), (math.sqrt(ours * both), n - 1)
        errors = [welch] if own else [alone, pooled if alike else welch]
        spent = ((n - FIRST_LOOK + 1) / looks) ** 2 / min(1 + 0.15 * (looks - 1), 2.0 if own else 1.3)
    chance = max(tail(far - rounding, *error) for error in errors)
    right = near(chance, RATE / 2 * spent) and near(sum(row["interval"]) / 2, mean) and near(row["difference"], mean)
    hold(right and near(row["sigma"], sigma) and row["n"] == n, f"{row['run']}: its interval or sigma does not follow")
    side = "above" if mean > 0 else "below"
    if n == 1: return "consistent" if abs(mean) <= far else side
    other = min(1, 2 * max(tail(abs(mean) - rounding, *error) for error in errors) / spent)
    equal = min(1, max(tail(MARGIN - rounding - abs(mean), *error) for error in errors) / spent)
    hold(near(row["p"]["side"], other) and near(row["p"]["reproduced"], equal), f"{row['run']}: its p does not follow")
    return side if other <= RATE else "reproduced" if equal <= RATE else "insufficient"

class Crate:
    def __init__(self, path):  # raises one of BROKEN at the first thing that does not follow
        with zipfile.ZipFile(path) as archive:
            of, kinds = archive.infolist(), {0, 8}  # no links; stored or deflated
            odd = [a.filename for a in of if {a.external_attr >> 28, a.compress_type} - kinds or not plain(a.filename)]
            hold(not odd, f"{path} has more than plain files: {odd[:1]}")
            alone = of and not archive.comment and not min(one.header_offset for one in of)
            hold(alone and sum(one.file_size for one in of) < 2**31, f"{path} has more than plain files, or none")
            hold(len({one.filename.lower() for one in of}) == len(of), f"{path} has two files with the same name")
            self.files = {one.filename: archive.read(one) for one in of}
        check_manifest(self.files)
        self.json = {name: json.loads(data) for name, data in self.files.items() if name.endswith(".json")}
        name, *more = (name for name in self.files if re.fullmatch(r"results/\w+/results\.json", name))
        results, self.place, self.lines, self.counted = self.json[name], os.path.dirname(name), [], {}
        self.scale, published, rows = results["scale"], results["published"], results["runs"]
        hold(sealed(results), f"{name} does not match its own sha256")
        params, headline = self.json["params.json"], results["headline"]
        hold({params["scale"], self.place[8:]} == {self.scale} and not more, f"{path} is not of one scale")
        hold({row["run"] for row in rows} == set(params["runs"]), f"{name} leaves out runs")
        hold(len({(row["run"], row["kind"], row["seed"]) for row in rows}) == len(rows), f"{name} has a row twice")
        for file, digest in {**published["data"], published["file"]: published["sha256"]}.items():
            hold(sha256(self.files["published/" + file]) == digest, f"published/{file} is not what {name} names")
        starts = [self.files[name] for name in sorted(self.files) if name.startswith(self.place + "/starts/")]
        for before, entry in zip([None, *starts], starts):
            hold(json.loads(entry)["previous"] == (before and sha256(before)), f"{self.place}/starts/ was edited")
        self.starts = {sha256(entry): json.loads(entry) for entry in starts}
        for run in dict.fromkeys(row["run"] for row in rows):
            self.check_run(run, [row for row in rows if row["run"] == run])
        tests = len({row["run"] for row in rows if row["published_miou"] is not None})
        for words, key in ((("reproduced",), "reproduced"), (("below", "above"), "side")):
            p = sorted(row["p"][key] for row in rows if row["kind"] == "seeds" and row["verdict"] in words)
            kept = itertools.takewhile(lambda one: one[1] * HOLM_LOOKS * (tests - one[0]) <= RATE, enumerate(p))  # Holm
            right = (headline[" or ".join(words)], headline["runs"]) == (len(list(kept)), tests)
            hold(right, f"the headline of {name} does not follow")
        pages = [self.files[f"{self.place}/{page}"] for page in ("README.md", "index.html")]
        hold(all(results["sha256"].encode() in page for page in pages), f"a page does not belong to {name}")
        stated = b"".join(data for name, data in self.files.items() if name.endswith(".json") and name != METADATA)
        for one in self.json[METADATA]["@graph"]:
            name, digest = urllib.parse.unquote(one["@id"]), one.get("sha256", "")
            right = sha256(self.files[name]) == digest if name in self.files and digest else digest.encode() in stated
            hold(right, f"{METADATA} gives a wrong sha256 for {name}")
        for folder in sorted({os.path.dirname(name) + "/" for name in self.files if f"/{COUNTERSIGNED}/" in name}):
            self.check_countersigned(folder)
    def published(self, run, dataset):  # the figure, and what is known of the trainings behind it, for judge()
        sections = self.json["published/pointrend_table.json"]["sections"]
        sigma = self.json["params.json"]["datasets"][dataset]["sigma"]
        mious = [float(one["miou"].rstrip("%")) for part in sections for one in part["rows"] if one["run"] == run]
        original = self.json.get("published/demo_original.json", {"runs": {}})["runs"].get(run, ())
        if self.scale == "demo": mious = [one["miou"] for one in original]
        if (k := len(mious)) > 1: return statistics.fmean(mious), (statistics.variance(mious), k - 1, k, True, 0.0)
        return mious[0] if mious else None, (sigma["points"] ** 2, sigma["degrees"] or KNOWN, 1, False, 0.005)
    def planned(self, row, of_seed):  # the seeds planned for a training that counts; its only weights are these
        start = self.starts.get((row["provenance"]["start"] or {}).get("sha256"), {"series": None})
        series = [one for one in self.starts.values() if one["series"] == start["series"]]
        ends = {one["model_sha256"] for one in series if one["kind"] == "end" and one["seed"] == row["seed"]}
        known = (start.get("run"), start.get("seed"), ends) == (row["run"], row["seed"], {row["hashes"][MODEL]})
        hold(known, f"{row['run']}: the record of starts does not have these weights")
        before = itertools.takewhile(lambda one: one["kind"] not in ("progress", "end"), series)
        planned = [[], *(one["seeds"] for one in before if one["kind"] == "seeds")][-1]
        needed = {row["seed"], *(one["seed"] for one in series if one["kind"] == "start" and one["seed"] in planned)}
        hold(row["seed"] in planned and needed <= of_seed.keys(), f"{row['run']}: its seeds are not those planned")
        return planned
    def check_run(self, run, rows):
        of_seed = {row["seed"]: row for row in rows if row["kind"] == "trained"}
        planned = [[], *(self.planned(row, of_seed) for row in of_seed.values() if row["difference"] is not None)][-1]
        found = (of_seed.get(seed, {"difference": None})["difference"] for seed in planned)
        counted, kinds = list(itertools.takewhile(lambda one: one is not None, found)), [row["kind"] for row in rows]
        hold(("seeds" in kinds) == (len(counted) >= FIRST_LOOK), f"{run}: its seeds are not those planned")
        for row in rows:
            who, ours = f"{run} {row['kind']} {'' if row['seed'] is None else row['seed']}".strip(), row["miou"]
            published, known = self.published(run, row["setting"]["dataset"])
            difference = ours - published if None not in (ours, published) and row["comparable"] else None
            for key, value in (("published_miou", published), ("difference", difference)):
                hold(near(row[key], value), f"{who}: {key} is {value}, not {row[key]}")
            word = "not comparable" if ours is not None else "unverified" if row["verdict"][0] == "u" else "not run"
            if difference is not None and row["kind"] == "released":
                word = next(word for word, most in LIMITS.items() if round(abs(difference), 9) <= most)
            elif difference is not None:
                word = judge(row, counted if row["kind"] == "seeds" else [difference], len(planned), *known)
            hold(row["verdict"] == word, f"{who}: its verdict is {word}, not {row['verdict']}")
            folder = f"runs/{self.scale}/{run}-{'released' if row['kind'] == 'released' else 's' + str(row['seed'])}/"
            if ours is not None and folder + COUNTS in self.files: self.check_score(row, folder)
            ends = [(one["run"], one["seed"]) for one in self.starts.values() if one["kind"] == "end"]
            if ours is None and (run, row["seed"]) in ends: self.lines.append(f"{who}: {word}, BUT ITS TRAINING ENDED")
            if ours is not None:
                how = "recounted" if folder in self.counted else "NOT RECOUNTED"
                self.lines.append(f"{who}: {word}, mIoU {ours:.2f} {how if row['kind'] != 'seeds' else 'of its seeds'}")
    def check_score(self, row, folder):  # its files belong together, and its mIoU is that of the counts
        metrics, scoring = self.json[folder + "metrics.json"], self.json[folder + "evaluate.json"]
        train = self.json.get(folder + "train.json", {"curves": {}})
        weights = row["hashes"].get(MODEL) or row["hashes"]["weights"]
        stated = {COUNTS: metrics["sha256"], "metrics.json": scoring["metrics_sha256"], **train["curves"]}
        for name, digest in [*row["hashes"].items(), *stated.items()]:
            hold(sha256(self.files.get(folder + name, b"")) in (digest, sha256(b"")), f"{folder}{name}: wrong sha256")
        scored = {one.get("model_sha256", weights) for one in (metrics, scoring, train)}
        same = (scoring["run"], scoring["seed"], scored) == (row["run"], row["seed"], {weights})
        hold(same, f"{folder} combines files of different weights")
        sums, about = count(self.files[folder + COUNTS], folder + COUNTS)
        for miou in (metrics["miou"], row["miou"]):
            hold(abs(mean_iou(sums) - miou) < 1e-9, f"{folder}{COUNTS} gives mIoU {mean_iou(sums)}, not {miou}")
        images = scoring["data"]["images"]["val"], scoring["data"]["ids_sha256"]["val"]
        hold(images == (about["images"], about["ids_sha256"]), f"{folder}{COUNTS} does not cover all prepared images")
        self.counted[folder] = sums, row["miou"], weights, scoring["data"]["content"]
    def check_countersigned(self, folder):
        check_manifest(self.files, folder)
        for name in [name for name in self.json if name.startswith(folder)]:
            other, sums = self.json[name], count(self.files[name[:-5] + ".parquet"], name)[0]
            first, miou, *known = self.counted[f"runs/{self.scale}/{os.path.basename(name)[:-5]}/"]
            hold([other["model_sha256"], other["data"]["content"]] == known, f"{name} has different weights or data")
            hold([one[1] for one in sums] == [one[1] for one in first], f"{name} has different labels")
            hold(abs(other["miou"] - mean_iou(sums)) < 1e-9, f"{name}: its mIoU does not match its counts")
            hold(abs(other["miou"] - miou) <= LIMITS["matches"], f"{name}: {other['miou']} is too far from {miou}")
            self.lines.append(f"{name}: mIoU {other['miou']:.2f} recounted")
if __name__ == "__main__":
    if not os.path.isfile([*sys.argv, ""][1]): sys.exit(__doc__.splitlines()[0])
    try: print(*Crate(sys.argv[1]).lines, sep="\n")
    except (*BROKEN, OSError) as fault:
        sys.exit(print("check failed:", fault, file=sys.stderr) or 3)
