package training.lora.trainer.trained;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Folders;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.publish.Publisher;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.SavedStates;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * The states that a training can go on from, {@code train/state/step-000120.safetensors}: the optimizer's tensors, with
 * the position and a digest over both in the header.
 */
public final class StateFiles {
    private static final Logger LOG = LoggerFactory.getLogger(StateFiles.class);

    /** With what is left of one where a process was killed. */
    private static final Pattern OWN = Pattern.compile("\\.?step-\\d+\\.safetensors(\\.tmp)?");

    private static final String POSITION = "position";

    private static final String DIGEST = "sha256";

    private final Path folder;
    private final IntPredicate regular;
    private final int keep;

    /** A whole state, whose tensors are read when they are asked for, until it is closed. */
    public record State(Position position, Map<String, LazyTensor> tensors, SafeTensors file) implements AutoCloseable {
        @Override
        public void close() {
            file.close();
        }
    }

    /**
     * @param regular steps at which an undisturbed run writes a state; others are needed only until the next
     * @param keep how many regular ones are kept
     */
    public StateFiles(Path train, IntPredicate regular, int keep) {
        this.folder = SavedStates.folder(train);
        this.regular = regular;
        this.keep = keep;
    }

    /** To read from alone. */
    StateFiles(Path train) {
        this(train, step -> false, 0);
    }

    /** The state that a run goes on from, as {@link #newest}. */
    static @Nullable State of(RunContext context) throws IOException {
        Path train = context.workspace().train();
        return new StateFiles(train).newest(new LossLog(train.resolve(LossLog.FILE))::reaches);
    }

    /** Writes a state and deletes those that are no longer needed. */
    public void write(Position position, Map<String, LazyTensor> tensors) throws IOException {
        String json = Json.MAPPER.writeValueAsString(position);
        SafeTensorsWriter.writeLazy(
                file(position.step()), tensors, Map.of(POSITION, json, DIGEST, digest(json, tensors)));
        List<Integer> steps = steps();
        List<Integer> needed =
                new ArrayList<>(steps.stream().filter(regular::test).limit(keep).toList());
        needed.add(position.step());
        for (int step : steps) {
            if (!needed.contains(step)) {
                Files.delete(file(step));
            }
        }
    }

    /**
     * The newest whole state at a step that is {@code wanted}; damaged ones are passed over, and the log says so.
     *
     * @throws TrainerException InvalidConfiguration if it is whole, but not of the version that this trainer writes
     */
    public @Nullable State newest(IntPredicate wanted) throws IOException {
        for (int step : steps()) {
            if (wanted.test(step)) {
                SafeTensors file;
                try {
                    file = whole(file(step));
                } catch (TrainerException e) {
                    LOG.warn("a state is damaged, the one before it is used: {}", e.getMessage());
                    continue;
                }
                try {
                    String position = file.metadata().getOrDefault(POSITION, "");
                    return new State(position(file(step), position), tensors(file), file);
                } catch (RuntimeException e) {
                    file.close();
                    throw e;
                }
            }
        }
        return null;
    }

    /** What is whole isn't passed over: beginning anew would throw away what another version has trained. */
    private Position position(Path file, String json) {
        String version = "of none";
        try {
            JsonNode tree = Json.MAPPER.readTree(json);
            version = tree.path("version").asText();
            if (version.equals(Position.VERSION)) {
                return Json.MAPPER.treeToValue(tree, Position.class);
            }
        } catch (JsonProcessingException e) {
            LOG.debug("{} can't be understood", file, e);
        }
        throw new TrainerException(
                Reason.InvalidConfiguration,
                "%s must be a state that this trainer can go on from, %s, but another release wrote it, %s; take another --workspace, or delete %s to begin anew"
                        .formatted(file, Position.VERSION, version, folder.getParent()));
    }

    /** Deletes the states of steps after {@code step}. */
    public void cut(int step) throws IOException {
        for (int later : steps()) {
            if (later > step) {
                Files.delete(file(later));
            }
        }
    }

    /** Deletes all states. */
    public void clear() throws IOException {
        Folders.deleteIn(folder, name -> OWN.matcher(name).matches());
    }

    /** A file whose content is that of its digest. */
    private static SafeTensors whole(Path path) {
        SafeTensors file = SafeTensors.open(path);
        try {
            String json = file.metadata().getOrDefault(POSITION, "");
            if (!digest(json, tensors(file)).equals(file.metadata().get(DIGEST))) {
                throw new TrainerException(Reason.InvalidData, path + " must have the content of its digest");
            }
            return file;
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static Map<String, LazyTensor> tensors(SafeTensors file) {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        file.entries().forEach((name, entry) -> {
            Shape shape = new Shape(entry.shape());
            tensors.put(
                    name,
                    entry.dtype().equals("U8")
                            ? new LazyTensor(shape, DataType.UINT8, scope -> file.readBytes(name, scope))
                            : new LazyTensor(shape, DataType.FLOAT32, scope -> file.read(name, scope)));
        });
        return tensors;
    }

    private static String digest(String position, Map<String, LazyTensor> tensors) {
        return Sha256.of(position + "\n" + SafeTensorsWriter.lazyBodyDigest(tensors));
    }

    /** Steps of all states, newest first. */
    private List<Integer> steps() throws IOException {
        return SavedStates.steps(folder);
    }

    private Path file(int step) {
        return folder.resolve(Publisher.folderName(step) + ".safetensors");
    }
}
