package training.lora.trainer.source;

import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.face.FaceFiles;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.SystemFiles;
import training.lora.trainer.florence.FlorenceFiles;
import training.lora.trainer.model.basemodel.PartFiles;
import training.lora.trainer.onnx.OnnxFiles;

/**
 * Which files of a place with many are fetched.
 *
 * @param folder whether it is a folder; else one file
 * @param files the names in that place, by the paths below what was named
 */
record NeededFiles(boolean folder, SortedMap<String, String> files) {
    private static final String ENDING = ".safetensors";

    private static final List<String> ARCHIVES = List.of(".zip", ".tar", ".tar.gz", ".tgz");

    /** Endings of what lies beside pictures and captions in repositories of data. */
    private static final Set<String> NO_DATA = Set.of(
            "arrow",
            "bin",
            "ckpt",
            "csv",
            "gguf",
            "h5",
            "html",
            "ipynb",
            "json",
            "jsonl",
            "md",
            "msgpack",
            "onnx",
            "parquet",
            "pdf",
            "pt",
            "pth",
            "py",
            "safetensors",
            "tsv",
            "yaml",
            "yml");

    private static final int NAMED = 5;

    /**
     * Chooses by a source's use.
     *
     * @param path what the source names below the place; empty for all
     * @param all names below the place, with slashes
     * @throws TrainerException if what is needed isn't there
     */
    static NeededFiles of(Source source, String path, Collection<String> all) {
        if (all.contains(path)) {
            return one(path);
        }
        String prefix = path.isEmpty() ? "" : path + "/";
        Set<String> names = all.stream()
                .filter(name -> name.startsWith(prefix))
                .map(name -> name.substring(prefix.length()))
                .collect(Collectors.toCollection(TreeSet::new));
        if (names.isEmpty()) {
            throw source.wrong("must name a file or folder that is there, but "
                    + (all.isEmpty()
                            ? "there are no files"
                            : "there is no %s; there are %s".formatted(path, some(new TreeSet<>(all)))));
        }
        try {
            return choose(source, prefix, names);
        } catch (TrainerException e) {
            // That of a model's parts goes on after a uri.
            throw String.valueOf(e.getMessage()).startsWith("`") ? e : source.invalid(e.getMessage() + "");
        }
    }

    private static NeededFiles choose(Source source, String prefix, Set<String> names) {
        return switch (source.use()) {
            case BaseModel ->
                names.contains(PartFiles.INDEX)
                        ? folder(prefix, PartFiles.diffusers(names))
                        : only(source, prefix, names, "a diffusers model (model_index.json) or one .safetensors file");
            case Vae ->
                names.contains("config.json")
                        ? folder(prefix, PartFiles.autoencoder(names))
                        : only(source, prefix, names, "an autoencoder (config.json) or one .safetensors file");
            case Clip -> {
                if (!names.contains("config.json")) {
                    throw source.invalid("must hold a CLIP model (config.json), but holds " + some(names));
                }
                yield folder(prefix, PartFiles.clip(names));
            }
            case Blip -> {
                if (!names.contains("config.json")) {
                    throw source.invalid("must hold a BLIP model (config.json), but holds " + some(names));
                }
                yield folder(prefix, PartFiles.blip(names));
            }
            case BaseAdapter, InitFrom -> only(source, prefix, names, "one .safetensors file");
            case Aesthetic ->
                names.stream().anyMatch(OnnxFiles::isGraph) && names.stream().noneMatch(name -> name.endsWith(ENDING))
                        ? folder(prefix, OnnxFiles.needed(names))
                        : only(source, prefix, names, "one .safetensors file or an ONNX network");
            case Dataset -> data(source, prefix, names);
            case Onnx -> folder(prefix, OnnxFiles.needed(names));
            case Florence -> folder(prefix, FlorenceFiles.needed(names));
            case Faces -> folder(prefix, FaceFiles.needed(names));
        };
    }

    private static NeededFiles one(String path) {
        return new NeededFiles(false, new TreeMap<>(java.util.Map.of(path.replaceFirst(".*/", ""), path)));
    }

    private static NeededFiles folder(String prefix, Collection<String> names) {
        SortedMap<String, String> files = new TreeMap<>();
        names.forEach(name -> files.put(name, prefix + name));
        return new NeededFiles(true, files);
    }

    private static NeededFiles only(Source source, String prefix, Set<String> names, String what) {
        List<String> files = names.stream()
                .filter(name -> name.endsWith(ENDING) && name.indexOf('/') < 0)
                .toList();
        if (files.size() > 1) {
            throw source.wrong("must name one of its .safetensors files, as in %s/%s: it has %s"
                    .formatted(source.shown(), files.get(0), Names.some(files, NAMED)));
        }
        if (files.isEmpty()) {
            List<String> archives = archives(names);
            if (archives.size() == 1) {
                return one(prefix + archives.get(0));
            }
            throw source.invalid("must hold %s, but holds %s".formatted(what, some(names)));
        }
        return one(prefix + files.get(0));
    }

    private static NeededFiles data(Source source, String prefix, Set<String> names) {
        List<String> data = names.stream().filter(NeededFiles::isData).toList();
        if (data.stream().allMatch(NeededFiles::isText)) {
            List<String> archives = archives(names);
            if (archives.size() == 1) {
                return one(prefix + archives.get(0));
            }
            throw source.invalid(
                    archives.isEmpty()
                            ? "must hold pictures with captions beside them (NAME.png, NAME.txt), but holds "
                                    + some(names)
                            : "must name one of its archives, as in %s/%s: it has %s"
                                    .formatted(source.shown(), archives.get(0), Names.some(archives, NAMED)));
        }
        return folder(prefix, data);
    }

    private static List<String> archives(Set<String> names) {
        return names.stream()
                .filter(name -> ARCHIVES.stream().anyMatch(name.toLowerCase(Locale.ROOT)::endsWith))
                .toList();
    }

    /** Whether it may only say something of pictures. */
    private static boolean isText(String name) {
        return name.endsWith(".txt") || CaptionTables.isOne(name);
    }

    private static boolean isData(String name) {
        String lower = name.toLowerCase(Locale.ROOT);
        String last = lower.replaceFirst(".*/", "");
        String ending = last.contains(".") ? last.replaceFirst(".*\\.", "") : "";
        return Stream.of(name.split("/")).noneMatch(SystemFiles::isOne)
                && ARCHIVES.stream().noneMatch(lower::endsWith)
                && (CaptionTables.isOne(last) || !NO_DATA.contains(ending))
                && !last.matches("license(\\..*)?|readme(\\..*)?");
    }

    private static String some(Set<String> names) {
        return Names.some(List.copyOf(names).stream().sorted().toList(), NAMED);
    }
}
