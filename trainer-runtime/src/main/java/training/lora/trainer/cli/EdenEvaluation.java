package training.lora.trainer.cli;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import training.lora.api.Json;
import training.lora.api.PromptSpec;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.convert.Conversion;
import training.lora.trainer.convert.Converted;
import training.lora.trainer.convert.Tool;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.evaluate.LoraFileScores;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.prepare.picture.FileBytes;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.picture.PictureFormat;
import training.lora.trainer.prepare.picture.PictureOptions;
import training.lora.trainer.prepare.picture.UnreadablePictureException;
import training.lora.trainer.run.FetchProgress;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.sample.ImageSampler;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.source.Cache;
import training.lora.trainer.source.Fetcher;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.source.Unpacker;

/**
 * {@code evaluate} with the arguments of Eden's script: draws four pictures with a LoRA file, whichever trainer it is of, or one for
 * each concept where there are more, and writes their scores under Eden's keys.
 */
final class EdenEvaluation {
    /** How many are drawn, unless there are more concepts. */
    private static final int PICTURES = 4;

    /** Side of the pictures, but of a bundled model its own. */
    private static final int SIDE = 1024;

    @Option(
            names = "--config_filename",
            paramLabel = "FILE",
            description = "Eden's training_args.json: with the options below, a LoRA file is measured outside a run.")
    private @Nullable Path config;

    @Option(
            names = {"--checkpoint_folder", "--lora_path"},
            paramLabel = "PATH",
            description = "The LoRA, or the folder that it is in.")
    private @Nullable Path checkpoint;

    @Option(names = "--output_json", paramLabel = "FILE", description = "Where the scores go.")
    private @Nullable Path json;

    @Option(names = "--output_folder", paramLabel = "DIR", description = "Where the pictures go.")
    private @Nullable Path folder;

    @Option(
            names = "--training_images_folder",
            paramLabel = "DIR",
            description = "The pictures that were learned from.")
    private @Nullable Path training;

    /** Whether it is asked for. */
    boolean asked() {
        return config != null || checkpoint != null || json != null || folder != null || training != null;
    }

    /** @param settings fields under spec that are replaced */
    int call(Function<String, @Nullable String> environment, List<String> settings, DeviceOption device)
            throws IOException {
        Path configFile = given(config, "--config_filename");
        Path checkpointFolder = given(checkpoint, "--checkpoint_folder");
        Path out = given(folder, "--output_folder");
        Path scoresFile = given(json, "--output_json");
        EdenCheckpoint lora = EdenCheckpoint.at(checkpointFolder);
        List<Path> pictures = pictures(given(training, "--training_images_folder"));
        Path relativeTo = configFile.toAbsolutePath().resolveSibling("");
        Tool tool = Conversion.recognise(configFile);
        if (tool != null && tool != Tool.Eden) {
            throw wrong("--config_filename must be Eden's training_args.json, but %s is a configuration of %s"
                    .formatted(configFile, tool.id()));
        }
        Converted converted = Conversion.convert(Tool.Eden, configFile, ForeignConfig.places(relativeTo));
        RunSpec run = ForeignConfig.load(converted, configFile, settings).run();
        Folders.requireWritable("--output_folder", out);
        Folders.create("--output_folder", out);
        Workspace space = Workspace.of(out.resolve("work").toAbsolutePath().normalize());
        pictures = readable(pictures, out.resolve("work/pictures"));
        Surroundings surroundings = new Surroundings(environment, Shutdown::requested);
        Cache cache = Cache.of(surroundings, space.cache());
        try (NDManager manager = device.choose().newManager();
                Fetcher fetcher = new Fetcher(
                        cache,
                        space.fetched(),
                        space::digests,
                        surroundings,
                        new FetchProgress(run, 1, message -> {}))) {
            Sources sources = Sources.of(environment, relativeTo)
                    .with(fetcher, new Unpacker(cache, space::digests, surroundings.stopping()));
            RunContext context = new RunContext(run, 1, space, sources, message -> {}, surroundings, manager);
            List<PromptSpec> prompts = LoraFileScores.prompts(run.spec(), PICTURES);
            List<Path> drawn = draw(context, lora, prompts, out, manager);
            LoraFileScores scores = LoraFileScores.of(context, prompts, drawn, pictures, manager);
            write(scoresFile, configFile, checkpointFolder, scores);
        }
        System.out.println(scoresFile);
        return 0;
    }

    private static <T> T given(@Nullable T value, String option) {
        if (value == null) {
            throw new TrainerException(Reason.Usage, option + " must be given with Eden's other options");
        }
        return value;
    }

    private static List<Path> pictures(Path path) throws IOException {
        List<Path> pictures = Files.isDirectory(path) ? Folders.list(path, DataFiles::isPictureAndNoMask) : List.of();
        if (pictures.isEmpty()) {
            throw wrong("--training_images_folder must be a folder with pictures, was " + path);
        }
        return pictures;
    }

    /** {@code pictures}, with what only prepare decodes, such as GIF, as a PNG in {@code folder}: of several the first picture. */
    private static List<Path> readable(List<Path> pictures, Path folder) throws IOException {
        List<Path> readable = new ArrayList<>();
        for (Path picture : pictures) {
            if (isPlain(picture)) {
                readable.add(picture);
                continue;
            }
            Files.createDirectories(folder);
            Path png = folder.resolve(picture.getFileName() + ".png");
            try (Photo photo = Photo.read(picture, PictureOptions.DEFAULT)) {
                Picture.ofBgr(photo.colour().clone()).write(png);
            } catch (UnreadablePictureException e) {
                throw wrong("--training_images_folder must have pictures that can be read, but %s %s"
                        .formatted(picture, e.getMessage()));
            }
            readable.add(png);
        }
        return readable;
    }

    private static boolean isPlain(Path picture) throws IOException {
        try (FileBytes bytes = FileBytes.open(picture)) {
            PictureFormat format = PictureFormat.of(bytes);
            return format != null && format.isPlain();
        }
    }

    private static List<Path> draw(
            RunContext context, EdenCheckpoint lora, List<PromptSpec> prompts, Path out, NDManager manager)
            throws IOException {
        List<String> triggers = Concepts.of(context.run().spec().datasets()).triggers();
        List<Path> files = new ArrayList<>();
        try (StableDiffusion model = context.openModel(manager);
                LoraAdapter adapter = lora.read(triggers, model, manager)) {
            boolean bundled = context.run().spec().baseModel().uri().startsWith("bundled://");
            int side = bundled ? model.resolution() : SIDE;
            ImageSampler sampler = new ImageSampler(
                    model,
                    context.run().spec().sampling().steps(),
                    context.run().spec().sampling().guidance(),
                    side);
            ImageSampler.Sink sink = (i, picture) -> {
                Path file = out.resolve(i + ".jpg");
                byte[] jpeg = picture.jpeg(Math.max(picture.width(), picture.height()));
                WholeFile.write(file, temporary -> Files.write(temporary, jpeg));
                files.add(file);
            };
            sampler.draw(prompts, adapter, manager, sink, more -> {});
        }
        return files;
    }

    private void write(Path file, Path configFile, Path checkpointFolder, LoraFileScores scores) throws IOException {
        ObjectNode asked = (ObjectNode) Json.MAPPER.readTree(Files.readString(configFile));
        ObjectNode result = Json.MAPPER.createObjectNode();
        result.set("sd_model_version", asked.path("sd_model_version"));
        result.put(
                "checkpoint_folder",
                checkpointFolder.toAbsolutePath().normalize().toString());
        result.set("concept_mode", asked.path("concept_mode"));
        result.put("output_folder", String.valueOf(folder));
        result.put("training_images_folder", String.valueOf(training));
        result.putObject("scores")
                .put("clip_diversity", scores.diversity())
                .put("aesthetic_score", scores.aesthetic())
                .put("image_text_alignment", scores.textAlignment())
                .put("training_image_alignment", scores.trainingImageAlignment());
        byte[] bytes = Json.PRETTY.writeValueAsBytes(result);
        WholeFile.write(file, temporary -> Files.write(temporary, bytes));
    }

    private static TrainerException wrong(String sentence) {
        return new TrainerException(Reason.InvalidConfiguration, sentence);
    }
}
