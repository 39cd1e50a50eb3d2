//! The sentences of BookKeeper's planner that no other one says: looked at after the others. Where two forms fit
//! one sentence, the more special one stands first.

/// As in the table of all others.
pub(super) const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("wait until all see {} writable", "等待所有成员看到 {1} 可写"),
    // Reasons.
    (
        "as a member that is there has it, with this host's own address, ports and directories",
        "沿用现有成员的配置，地址、端口和目录为本主机自己的",
    ),
    (
        "it registers itself with a new cookie and takes new ledgers from then on",
        "它以新的 cookie 自行注册，此后接收新账本",
    ),
    (
        "a start that went well is no proof: a bookie is a member when those who were there say so",
        "启动成功不算证明：原有成员都看到它，才算成员",
    ),
    (
        "every bookie runs and is writable for all who are asked, and none is missing",
        "每个 bookie 都在运行，在所有被询问者看来可写，没有缺失的 bookie",
    ),
    // What acts do.
    ("claim directories, ports and the service", "登记目录、端口和服务"),
    ("make directories, bookie.conf and the service", "建立目录、bookie.conf 和服务"),
    ("remove bookie.conf and the service", "删除 bookie.conf 和服务"),
    ("start and enable the bookie", "启动 bookie 并设为开机自启"),
    ("stop and disable the bookie", "停止 bookie 并取消开机自启"),
    ("switch autorecovery on", "开启自动恢复"),
    ("switch autorecovery off", "关闭自动恢复"),
    ("empty the bookie's directories", "清空 bookie 的目录"),
    // Notes.
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, http {}, run by {} as {}",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，http {6}，由 {7} 以用户 {8} 运行",
    ),
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, configuration {}, started by hand",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，配置 {6}，手动启动",
    ),
    (
        "{} on {}: bookie {}, ledgers in {}, journal in {}, configuration {}, started by {}",
        "{2} 上的 {1}：bookie {3}，账本在 {4}，日志在 {5}，配置 {6}，由 {7} 启动",
    ),
    (
        "nothing is changed on any host: the agents only record where the bookies are",
        "任何主机上都不作更改：agent 只记录 bookie 的位置",
    ),
    ("metadata at {}, instance {}", "元数据在 {1}，实例 {2}"),
    ("never fewer than {} bookies", "bookie 不少于 {1} 个"),
    ("{} asks for {}/{}/{}", "{1} 要求 {2}/{3}/{4}"),
    ("data move: {}", "数据迁移速度：{1}"),
    (
        "what the brokers ask for is not known: give managedLedgerDefaultEnsembleSize, WriteQuorum and AckQuorum with --option broker=E/Qw/Qa, and policies of namespaces with --option policy.TENANT/NAMESPACE=E/Qw/Qa; without them only the ledgers that are there count when bookies leave",
        "不知道 broker 的要求：请用 --option broker=E/Qw/Qa 给出 managedLedgerDefaultEnsembleSize、WriteQuorum 和 AckQuorum，用 --option policy.TENANT/NAMESPACE=E/Qw/Qa 给出命名空间的策略；否则 bookie 离开时只考虑已有的账本",
    ),
    (
        "the configuration is that of {}, by the keys that Bellows knows",
        "配置取自 {1}，只取 Bellows 认识的配置项",
    ),
    ("not taken over from {}: {}", "未从 {1} 沿用：{2}"),
    (
        "racks and isolation groups are not set: where Pulsar uses them, tell it of the new bookie by hand: pulsar-admin bookies set-bookie-rack",
        "不设置机架和隔离组：Pulsar 使用它们时，请手动告知新 bookie：pulsar-admin bookies set-bookie-rack",
    ),
    (
        "no data move by themselves: ledgers that are there stay where they are; new ledgers use the new bookies too",
        "数据不会自行迁移：已有账本留在原处；新账本也会使用新 bookie",
    ),
    // Guards.
    ("what Bellows does for BookKeeper", "Bellows 能为 BookKeeper 做什么"),
    ("BookKeeper is installed", "已安装 BookKeeper"),
    ("all bookies run and are writable", "所有 bookie 运行且可写"),
    ("every bookie of the cluster is a member here", "集群的每个 bookie 都是这里的成员"),
    ("one metadata service, one instance", "同一元数据服务，同一实例"),
    ("the metadata service answers in time", "元数据服务及时应答"),
    ("the HTTP admin API is on", "HTTP 管理接口已开启"),
    ("directories absent or empty, and the service free", "目录不存在或为空，服务名空闲"),
    ("one bookie of a cluster per host", "每台主机只有集群的一个 bookie"),
    ("no cookie of its id", "没有该标识的 cookie"),
    ("a host that can take a bookie", "主机能够运行 bookie"),
    ("a member to take the settings from", "有可供沿用配置的成员"),
    ("a bookie to adopt on each host", "每台主机上有要接管的 bookie"),
    ("a bookie that can be read", "bookie 可以读取"),
    ("every bookie's host is named", "写出每个 bookie 的主机"),
    ("ids that are addresses", "以地址为标识"),
    ("minimum bookies", "bookie 的最少数目"),
    ("more bookies than any ensemble", "bookie 多于任何 ensemble 的需要"),
    ("room for its ledgers at those who stay", "留下的 bookie 有空间容纳其账本"),
    ("no ledger has its only copy there", "没有账本的唯一副本在那里"),
    (
        "autorecovery on, with an auditor and somebody who copies",
        "自动恢复已开启，有审计者和复制者",
    ),
    ("no ledger lacks a copy", "没有账本缺少副本"),
    ("stays read-only over a restart", "重启后保持只读"),
    ("hours in which data may move", "有允许迁移数据的时段"),
    ("a budget that can be kept", "限速可以遵守"),
    ("a bookie that is named dead is registered nowhere", "声明已死的 bookie 未在任何地方注册"),
    ("no ledger is lost with a dead bookie", "没有账本随已死的 bookie 丢失"),
    ("lost ledgers that can be listed", "丢失的账本可以列出"),
];
