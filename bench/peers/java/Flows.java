// SPDX-License-Identifier: MIT
//
// Flows.java: a JVM's threads, as a peer (../README.md has the dialogue): java-platform are
// the operating system's, java-virtual the JVM's own, where it has them (21 and later; they are asked
// for by reflection, so that an older compiler builds this too).
//
// Each flow counts in a place of its own; a run returns their sum.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.locks.ReentrantLock;

public final class Flows {
    interface Job {
        long run(long ops) throws Exception;
    }

    private final ThreadFactory threads;
    private final Map<String, String> params;

    private Flows(Map<String, String> params, ThreadFactory threads) {
        this.params = params;
        this.threads = threads;
    }

    /** null where the JVM has no such threads. */
    private static ThreadFactory factory(String subject) {
        if (subject.equals("java-platform"))
            return Thread::new;
        try {
            Object builder = Thread.class.getMethod("ofVirtual").invoke(null);
            return (ThreadFactory) Class.forName("java.lang.Thread$Builder")
                    .getMethod("factory").invoke(builder);
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    private int number(String key) {
        return Integer.parseInt(params.get(key));
    }

    private Thread start(Runnable flow) {
        Thread thread = threads.newThread(flow);
        thread.start();
        return thread;
    }

    private static long share(long ops, int flows, int i) {
        return ops / flows + (i < ops % flows ? 1 : 0);
    }

    private Job yields() {
        int flows = number("flows");
        return ops -> {
            long[] counts = new long[flows];
            Thread[] all = new Thread[flows];
            for (int i = 0; i < flows; i++) {
                int self = i;
                all[i] = start(() -> {
                    long share = share(ops, flows, self), n = 0;
                    for (; n < share; n++)
                        Thread.yield();
                    counts[self] = n;
                });
            }
            return joinAndSum(all, counts);
        };
    }

    private static long joinAndSum(Thread[] all, long[] counts) throws InterruptedException {
        long sum = 0;
        for (int i = 0; i < all.length; i++) {
            all[i].join();
            sum += counts[i];
        }
        return sum;
    }

    private Job spawn() {
        int batch = number("batch");
        return ops -> {
            long counted = 0;
            for (long left = ops; left > 0;) {
                int size = (int) Math.min(batch, left);
                long[] counts = new long[size];
                Thread[] all = new Thread[size];
                for (int i = 0; i < size; i++) {
                    int self = i;
                    all[i] = start(() -> counts[self]++);
                }
                counted += joinAndSum(all, counts);
                left -= size;
            }
            return counted;
        };
    }

    private static BlockingQueue<Long> channel(int capacity) {
        return capacity == 0 ? new SynchronousQueue<>() : new ArrayBlockingQueue<>(capacity);
    }

    /** An asker, made anew in each run as virtual threads would be, and one that replies. */
    private Job message() {
        int capacity = number("capacity");
        BlockingQueue<Long> request = channel(capacity), reply = channel(capacity);
        Thread replier = threads.newThread(() -> {
            try {
                for (;;)
                    reply.put(request.take());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        if (!params.get("subject").equals("java-virtual"))
            replier.setDaemon(true);
        replier.start();
        return ops -> {
            long[] counts = new long[1];
            Thread asker = start(() -> {
                try {
                    for (long i = 0; i < ops; i++) {
                        request.put(i);
                        counts[0] += reply.take() == i ? 1 : 0;
                    }
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            return joinAndSum(new Thread[] {asker}, counts);
        };
    }

    private Job counter() {
        int flows = number("flows");
        return ops -> {
            ReentrantLock lock = new ReentrantLock();
            long[] number = new long[1];
            Thread[] all = new Thread[flows];
            for (int i = 0; i < flows; i++) {
                long share = share(ops, flows, i);
                all[i] = start(() -> {
                    for (long n = 0; n < share; n++) {
                        lock.lock();
                        try {
                            number[0]++;
                        } finally {
                            lock.unlock();
                        }
                    }
                });
            }
            joinAndSum(all, new long[flows]);
            return number[0];
        };
    }

    private Job footprint() {
        return ops -> {
            CountDownLatch begun = new CountDownLatch((int) ops);
            CountDownLatch never = new CountDownLatch(1);
            for (long i = 0; i < ops; i++) {
                Thread thread = threads.newThread(() -> {
                    begun.countDown();
                    try {
                        never.await();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                });
                if (!params.get("subject").equals("java-virtual"))
                    thread.setDaemon(true);
                thread.start();
            }
            begun.await();
            return ops - begun.getCount();
        };
    }

    private Job job(String experiment) {
        switch (experiment) {
        case "yield": return yields();
        case "spawn": return spawn();
        case "message": return message();
        case "counter": return counter();
        case "footprint": return footprint();
        default: throw new IllegalArgumentException(experiment);
        }
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> params = new HashMap<>();
        for (int i = 1; i < args.length; i++)
            params.put(args[i].split("=")[0], args[i].split("=")[1]);
        ThreadFactory threads = factory(params.get("subject"));
        if (threads == null) {
            say("{\"skipped\": \"this JVM has no virtual threads: they came with 21\"}");
            return;
        }
        Job job = new Flows(params, threads).job(args[0]);
        int warmRuns = args[0].equals("footprint") ? 0 : 5;
        for (int i = 0; i < warmRuns; i++) // the compiler has then seen the loops often enough
            job.run(args[0].equals("spawn") ? 2000 : 20000);
        say("{\"ready\": \"" + System.getProperty("java.vm.name") + " "
                + System.getProperty("java.version") + "\"}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;)
            say("{\"counted\": " + job.run(Long.parseLong(line)) + "}");
        System.exit(0); // parked flows do not keep it
    }
}
