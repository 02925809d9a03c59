package training.lora.trainer.publish;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.files.SystemFiles;
import training.lora.trainer.s3.S3Prefix;

/** A place in a bucket. A file that is there already is not sent again. */
record BucketStore(S3Prefix bucket) implements OutputStore {
    private static final Logger LOG = LoggerFactory.getLogger(BucketStore.class);

    @Override
    public List<String> entries() {
        return bucket.top().stream()
                .filter(name -> !SystemFiles.isOne(name))
                .sorted()
                .toList();
    }

    @Override
    public List<String> below(String folder) {
        return bucket.list(folder).stream().map(S3Prefix.Entry::name).toList();
    }

    @Override
    public boolean exists(String name) {
        return bucket.exists(name);
    }

    @Override
    public byte @Nullable [] read(String name) {
        return bucket.read(name);
    }

    @Override
    public void write(String name, byte[] content) {
        bucket.write(name, content);
    }

    @Override
    public boolean create(String name, byte[] content) {
        return bucket.create(name, content);
    }

    @Override
    public void put(String name, Path file, @Nullable String sha256) throws IOException {
        if (bucket.upload(name, file, sha256 == null ? Sha256.of(file) : sha256)) {
            LOG.info("uploaded {}", place(name));
        }
    }

    @Override
    public void delete(String name) {
        bucket.delete(name);
    }

    @Override
    public void delete(String name, byte[] content) {
        bucket.delete(name, content);
    }

    @Override
    public void cleanUp(Predicate<String> own) {
        bucket.abandonUploads(own);
    }

    @Override
    public String place(String name) {
        String top = bucket.location().uri();
        return name.isEmpty() ? top : top + "/" + name;
    }

    @Override
    public String option() {
        return "`spec.output.uri`";
    }
}
