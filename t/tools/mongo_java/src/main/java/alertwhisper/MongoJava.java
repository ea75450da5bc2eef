package alertwhisper;

import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/**
 * A MongoDB wire protocol server for the tests: {@code MongoJava PORT [FILE]}. Without a file it keeps everything in
 * memory. Prints its URI when it answers (PORT may be 0); ends at SIGTERM.
 */
public final class MongoJava {
    private MongoJava() {
    }

    public static void main(String[] args) {
        if (args.length < 1 || args.length > 2) {
            System.err.println("usage: MongoJava PORT [FILE]");
            System.exit(2);
        }
        MongoBackend backend = args.length == 2 ? new H2Backend(args[1]) : new MemoryBackend();
        MongoServer server = new MongoServer(backend);
        server.bind("127.0.0.1", Integer.parseInt(args[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort() + "/");
    }
}
